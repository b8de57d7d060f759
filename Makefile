# make tour: the first look. make lab: your copy of the notebooks.
# make test: all tests but the long ones, and every notebook.
# Works with any Python from 3.11 on: make tour PYTHON=python3.12

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
NBVAL := $(BIN)/python -m pytest --nbval-lax --nbval-current-env --nbval-cell-timeout=120 -o cache_dir=build/nbval -q

# Tests and notebooks start hundreds of Python processes: compiled files are kept, also where the environment forbids it.
export PYTHONDONTWRITEBYTECODE :=

# With AGAIN=yes (continuous integration), what failed runs once more, in one process and by itself: a test, or a whole
# notebook. A test that passes only then depends on what ran before it: both runs are printed, and it is to be fixed
# like any other fault. A notebook's kernel now and then loses a reply on a busy machine.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -p no:nbval
ONCE_MORE := $(if $(AGAIN),|| $(PYTEST) -n 0 --last-failed --last-failed-no-failures=none)

.PHONY: tour lab quick test test-long test-deep notebooks lint format check-install test-lowest test-clients \
        test-nbgrader test-inspect test-engines cell-times clean

tour: $(VENV)/.base
	$(BIN)/gptoss-edu tour

lab: $(VENV)/.base
	$(BIN)/gptoss-edu lab

quick: $(VENV)/.test  ## two minutes: on every save
	$(PYTEST) -n 2 --dist=loadfile -m "not slow and not long and not gpu and not browser"

test: lint $(VENV)/.test  ## minutes: all tests but the long ones, then all notebooks
	$(PYTEST) -n 2 --dist=loadfile -m "not long and not browser" $(ONCE_MORE)
	$(MAKE) notebooks

test-long: $(VENV)/.test  ## the tests that make test leaves out
	$(PYTEST) -n 2 --dist=loadfile -m "long and not browser" $(ONCE_MORE)

test-deep: $(VENV)/.test  ## half an hour: every property-based test with at least 2,000 examples
	GPTOSS_EXAMPLES=2000 $(PYTEST) -n 2 --dist=loadfile -m hypothesis

notebooks: $(VENV)/.test
	OMP_NUM_THREADS=1 $(NBVAL) -n 2 --dist=loadfile notebooks \
		$(if $(AGAIN),|| { again=$$($(BIN)/python .ci/failed_notebooks.py) && OMP_NUM_THREADS=1 $(NBVAL) $$again; })

cell-times: $(VENV)/.test  ## half an hour: the slowest cells of each notebook, in processor time
	$(BIN)/gptoss-edu bench notebooks notebooks/*.ipynb

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Exit code 77 of these two means "skipped: no network"; they then say so by name, and other targets go on.
SKIP_IS_NO_FAILURE := code=$$?; [ $$code -eq 77 ] || exit $$code

check-install: | $(BIN)/python  ## resolves for four platforms and four Pythons; installs nothing
	@$(BIN)/python .ci/check_install.py || { $(SKIP_IS_NO_FAILURE); }

test-lowest: | $(BIN)/python  ## quick tests and four chapters, lowest versions
	@$(BIN)/python .ci/test_lowest.py || { $(SKIP_IS_NO_FAILURE); }

test-clients: $(VENV)/.test  ## the server with the JavaScript client and both agents SDKs, fetched from the network
	@OMP_NUM_THREADS=1 $(BIN)/python .ci/test_clients.py || { $(SKIP_IS_NO_FAILURE); }

test-nbgrader: | $(BIN)/python  ## nbgrader generates, releases and grades a course folder
	@$(BIN)/python .ci/test_nbgrader.py || { $(SKIP_IS_NO_FAILURE); }

test-inspect: | $(BIN)/python  ## inspect-ai runs three exported tasks and counts the same
	@$(BIN)/python .ci/test_inspect.py || { $(SKIP_IS_NO_FAILURE); }

test-engines: $(VENV)/.test  ## llama.cpp, built here, beside this package: logits, texts, tokenizer; the table of engines
	@$(BIN)/python .ci/test_engines.py || { $(SKIP_IS_NO_FAILURE); }

clean:
	rm -rf $(VENV) build dist tour

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; name another with make PYTHON=python3.12") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo 'No environment was made; on Debian and Ubuntu: apt install python3-venv'; exit 1; }

$(VENV)/.base: pyproject.toml constraints.txt | $(BIN)/python
	@echo 'installing PyTorch, JupyterLab and the rest into $(VENV): some minutes, once'
	$(PIP) -e .
	touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e '.[test]'
	touch $@ $(VENV)/.base

.PHONY: slides handouts book book-deps book-pdf test-browser

book-deps: $(VENV)/.test  ## fetches the book's front-end files, once
	$(PIP) -e '.[book]'
	$(BIN)/python book/deps.py

book:  ## needs no network after book-deps
	rm -rf book/_build
	$(BIN)/python -m sphinx -q -b html -d book/_build/doctrees book book/_build/html
	@echo book/_build/html/index.html

slides:  ## chapters of the plans as slides; needs no network after book-deps
	$(BIN)/python book/slides.py

handouts:  ## one page for each part of the course, to print
	$(BIN)/python book/handouts.py

book-pdf: book  ## the whole book as one PDF, printed by Chromium
	$(BIN)/python book/pdf.py

test-browser: book  ## the book and the explorer in Chromium; make book-deps first
	$(PYTEST) -n 2 --dist=loadfile -m browser tests/test_*_browser.py $(ONCE_MORE)
