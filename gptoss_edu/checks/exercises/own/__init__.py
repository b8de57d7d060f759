"""The chapters' own exercises: cases with a rule each, right solutions and wrong ones, one file per exercise."""
