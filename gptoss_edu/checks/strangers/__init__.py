"""Wrong solutions by readers who had the chapters' text and stubs, but had seen neither checks nor banks.

They measure the checks, and do not help them to name mistakes (`unseen=True`): the confusion table counts what a
stranger would be told. None of them may be changed to fit a check. The title is what its writer meant; which of the
check's causes that is was decided afterwards, when the solutions were complete.
"""
