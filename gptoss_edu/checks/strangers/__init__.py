"""Wrong solutions by readers who had the chapters' text and stubs, and had seen neither checks nor banks.

They measure the checks and do not help them to name mistakes (`unseen=True`): what the confusion table counts of them
is what a stranger is told. None of them may be changed to fit what a check says. The title is what its writer meant;
which of the check's causes that is was decided afterwards, when the solutions stood.
"""
