"""The named benchmarks' data files, read in the form in which their authors publish them. No data is bundled."""
