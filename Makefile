# Large Models from the Ground Up. `make` lists what there is to call; each target does the set-up it needs.
#
#   make run NB=01 ARGS="-p LEARNING_RATE 0.5"      NB: chapters (all when empty), ARGS: handed on
#   make run OUT=/elsewhere                         for a checkout that cannot be written
#   make test ARGS="-n 0"                           in one process, as a debugger needs it (else two)
#   make workshop CHAPTERS="01 02"                  editions of some chapters (all when empty)
#   make grade DIR=submissions/                     what learners handed in
#   make new NB=12 TITLE="A language model that answers"
#   make train-gpt WORKERS=2                        processes on this machine; on several, on each of them:
#   make train-gpt COORDINATOR=host:port PROCESS_ID=k NUM_PROCESSES=n
#
# Works in folders whose names hold spaces, quotes or dollar signs: so what is given stays as it is, paths are quoted, and
# no path is a target. ARGS holds words as a shell reads them, quotes and ~ included; nothing else in it is replaced.

SHELL := /bin/sh
MAKEFLAGS += --no-print-directory
.PHONY: help run check test site portable chat serve lab doctor setup workshop grade new wheelhouse budget profile refresh weights train-gpt records mutants tidy lock verify-data clean
.NOTPARALLEL:

NB =
CHAPTERS = $(NB)
DIR =
MODEL = $(OUT)/my_pictures/model
TITLE =
WORKERS = 1
ARGS =
OUT = build
# The first Python that fits and can make environments, each tried by calling it; else python3, and doctor says why not.
FITS = import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))
PYTHON = $(eval PYTHON := $(shell for p in python3 python3.13 python3.12 python3.11 python3.10; do \
	"$$p" -c '$(FITS)' 2>/dev/null && echo "$$p" && exit; done; echo python3))$(PYTHON)
VENV = $(if $(shell [ -s .venv/groundup-setup.txt ] || [ -w . ] || echo no),$(OUT)/.venv,.venv)
PY = $(call q,$(VENV)/bin/python)

# A text as one word of the shell, whatever it holds; a list of words.
q = '$(subst ','\'',$(1))'
each = $(foreach word,$(1),$(call q,$(word)))
define LINE


endef
# What is given is not expanded by make: a dollar sign is one.
as_given = $(if $(findstring $(LINE),$(value $(1))),$(error $(1) holds a line break, which no name here may))$(eval \
  override $(1) := $$(value $(1)))$(eval export $(1))
$(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(call as_given,$(name))))

# A shell leaves the ~ of OUT=~/x to us.
ifneq ($(filter ~ ~/%,$(firstword $(OUT))),)
override OUT := $(value HOME)$(subst ^~,,^$(OUT))
endif

# The words of ARGS, each quoted. Without a Python they stay as they are, and the set-up says what is missing.
define WORDS
import os, shlex, sys
try:
    words = shlex.split(sys.argv[1])
    print("words", *(shlex.quote(os.path.expanduser(word)) for word in words))
except ValueError as error:
    print("cannot be read as words:", error)
endef
ifneq ($(ARGS),)
override ARGS := $(or $(shell $(call q,$(PYTHON)) -c $(call q,$(WORDS)) $(call q,$(ARGS))),words $(ARGS))
ifneq ($(firstword $(ARGS)),words)
$(error ARGS $(ARGS))
endif
override ARGS := $(subst ^words ,,^$(ARGS))
endif

# Figures go into the notebooks, whatever the reader's shell says of them.
unexport MPLBACKEND

# Nothing is written outside the checkout and OUT: caches and settings of all libraries go to OUT/.home.
HOME_DIR := $(if $(filter /%,$(OUT)),$(OUT),$(CURDIR)/$(OUT))/.home
export KERAS_HOME := $(HOME_DIR)/keras
export MPLCONFIGDIR := $(HOME_DIR)/matplotlib
export JUPYTER_CONFIG_DIR := $(HOME_DIR)/jupyter/config
export JUPYTER_DATA_DIR := $(HOME_DIR)/jupyter/data
export JUPYTER_RUNTIME_DIR := $(HOME_DIR)/jupyter/runtime
export IPYTHONDIR := $(HOME_DIR)/ipython
export XDG_CACHE_HOME := $(HOME_DIR)/cache
export RUFF_CACHE_DIR := $(HOME_DIR)/ruff
export NPM_CONFIG_CACHE := $(HOME_DIR)/npm

NBVAL = $(PY) -m pytest --nbval --nbval-current-env --nbval-sanitize-with tests/sanitize.cfg --nbval-cell-timeout 600 \
  --nbval-kernel-startup-timeout 180
# Two processes, so that a core that one leaves idle serves the other; conftest.py says who takes what.
# No reordering by the number of tests, which says nothing of their time.
TWO = -n 2 --no-loadscope-reorder --durations=30 --durations-min=1
# NB=01 or NB=01_gradient_descent: of the slow tests those that have 01 in their names
SELECT = $(if $(NB),--about $(call q,$(foreach n,$(NB),$(if $(filter 0% 1%,$(n)),$(firstword $(subst _, ,$(n))),$(n)))))

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1#/p' Makefile | awk -F'#' '{printf "%-20s %s\n", $$1, $$2}'

run: setup  ## run the chapters (NB="01 02"), results and pages in OUT
	@exec $(PY) -m coursetools.run $(call each,$(NB)) --out $(call q,$(OUT)) $(ARGS)

check: setup  ## lint, form, texts and all tests that need no TensorFlow: two minutes
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check --quiet . || { echo "make tidy brings all files into their form"; exit 1; }
	@exec $(PY) -m pytest -n 2 tests -m "not slow" $(ARGS)

test: setup  ## the same, the slow tests, and every chapter's outputs compared (NB=01: all that concerns chapter 01)
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check --quiet . || { echo "make tidy brings all files into their form"; exit 1; }
	@$(PY) -m coursetools.site --setup
	@exec $(NBVAL) $(TWO) tests notebooks $(SELECT) $(ARGS)

site: setup  ## the book: a site in OUT/site that opens from disk (ARGS="--epub --pdf": an EPUB, and each chapter as a PDF)
	@exec $(PY) -m coursetools.site --out $(call q,$(OUT)) $(ARGS)

portable: setup  ## the chapters' outputs again: without oneDNN, with one thread, with other BLAS kernels
	@for way in "TF_ENABLE_ONEDNN_OPTS=0" "OPENBLAS_CORETYPE=Nehalem" "OPENBLAS_CORETYPE=Sandybridge" \
	  "OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1"; do \
	  echo "$$way"; env $$way $(NBVAL) notebooks $(SELECT) $(ARGS) || exit 1; done

chat: setup  ## ask the language model of chapter 12 in the terminal (ARGS="--system '...' --temperature 0.7")
	@exec $(PY) -m coursetools.chat $(ARGS)

serve: setup  ## an HTTP service for a saved model (MODEL=build/my_pictures/model ARGS="--port 8001")
	@exec $(PY) -m ownfiles.serve $(call q,$(MODEL)) $(ARGS)

lab: setup  ## read and run the chapters in JupyterLab
	@exec $(PY) -m jupyterlab --notebook-dir notebooks $(ARGS)

doctor:  ## what is missing on this machine, and how to mend it
	@command -v $(call q,$(PYTHON)) >/dev/null || { echo "there is no Python here: apt install python3 python3-venv"; exit 1; }
	@exec $(call q,$(PYTHON)) -I src/coursetools/doctor.py check $(call q,$(VENV))

setup:  ## the virtual environment, once (the other targets call it)
	@command -v $(call q,$(PYTHON)) >/dev/null || { echo "there is no Python here: apt install python3 python3-venv"; exit 1; }
	@exec $(call q,$(PYTHON)) -I src/coursetools/doctor.py setup $(call q,$(VENV))

verify-data: setup  ## check every data file against its hash
	@exec $(PY) -m groundup.data

clean:  ## delete results and caches (the environment stays: delete .venv by hand)
	@rm -rf build __pycache__ .ruff_cache .pytest_cache
	@find src tests data notebooks -name __pycache__ -prune -exec rm -rf {} +

workshop: setup  ## to teach: editions for learners and instructors, slides (CHAPTERS="01 02")
	@exec $(PY) -m coursetools.workshop $(call each,$(CHAPTERS)) --out $(call q,$(OUT)) $(ARGS)

new: setup  ## for authors: a chapter to write into (NB=12 TITLE="A language model that answers")
	@exec $(PY) -m coursetools.new $(call q,$(NB)) $(call q,$(TITLE)) --out $(call q,$(OUT))

grade: setup  ## to teach: mark the notebooks in DIR, one table in OUT/grades.csv
	@exec $(PY) -m coursetools.grade $(call q,$(DIR)) --out $(call q,$(OUT)) $(ARGS)

train-gpt: setup  ## chapter 08's GPT in WORKERS processes, work in OUT/train-gpt (goes on where it was interrupted)
	@exec $(PY) -m groundup.cluster $(call q,$(WORKERS)) $(call q,$(OUT)/train-gpt) src/coursetools/recipes/train_gpt.py --out $(call q,$(OUT)/train-gpt/gpt) $(ARGS)

wheelhouse: setup  ## to teach: all packages in OUT/wheelhouse (1 GB), to install without a network
	@$(PY) -m pip download --quiet --disable-pip-version-check --only-binary=:all: --require-hashes --no-deps \
	  -r requirements.txt -d $(call q,$(OUT)/wheelhouse) $(ARGS)
	@$(PY) -m pip download --quiet --disable-pip-version-check --only-binary=:all: --require-hashes --no-deps \
	  -r requirements-bert.txt -r requirements-llm.txt -d $(call q,$(OUT)/wheelhouse) $(ARGS)
	@printf "Copy %s to a stick or a server. On each seat:\n" $(call q,$(OUT)/wheelhouse)
	@echo "  PIP_NO_INDEX=1 PIP_FIND_LINKS=/where/it/is/wheelhouse make lab"

budget: setup  ## for authors: measure the chapters, write the table in README.md
	@exec $(PY) -m coursetools.run $(call each,$(NB)) --out $(call q,$(OUT)) --budget $(ARGS)

profile: setup  ## where the time goes: seconds by cell, and by kind of work in the slowest (NB=06)
	@exec $(PY) -m coursetools.run $(call each,$(NB)) --out $(call q,$(OUT)) --profile $(ARGS)

refresh: setup  ## for authors: run the chapters and keep their outputs in notebooks/
	@exec $(PY) -m coursetools.run $(call each,$(NB)) --out $(call q,$(OUT)) --refresh $(ARGS)

weights: setup  ## for authors: train the models in data/ again (three quarters of an hour; goes on where it was interrupted)
	@$(PY) -m coursetools.recipes.train_gpt $(ARGS)
	@$(PY) -m coursetools.recipes.train_gan $(ARGS)
	@$(PY) -m coursetools.recipes.train_flow $(ARGS)
	@exec $(PY) -m coursetools.recipes.train_chapters $(ARGS)

records: setup  ## for authors: run chapters with five seeds and keep all values (NB=07), or an experiment (NB=07_schedules)
	@exec $(PY) -m coursetools.records $(call each,$(NB)) --out $(call q,$(OUT)) $(ARGS)

mutants: setup  ## for authors: which claims would notice a mistake? (NB=02 ARGS="--minutes 20") writes docs/mutants.md
	@exec $(PY) -m coursetools.mutants $(call each,$(NB)) $(ARGS)

tidy: setup  ## for authors: bring the notebooks into their one form
	@$(PY) -m ruff format --quiet .
	@exec $(PY) -m coursetools.tidy notebooks/*.ipynb

lock:  ## for authors: requirements.txt anew from pyproject.toml (ARGS=--upgrade takes newer versions)
	@$(call q,$(PYTHON)) -m venv build/lock-venv
	@build/lock-venv/bin/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	@build/lock-venv/bin/python -m uv pip compile --quiet --universal --only-binary :all: --generate-hashes \
	  --python-version 3.10 --custom-compile-command "make lock" $(ARGS) pyproject.toml -o requirements.txt
	@build/lock-venv/bin/python -m uv pip compile --quiet --universal --only-binary :all: --generate-hashes \
	  --python-version 3.10 --custom-compile-command "make lock" $(ARGS) --group site \
	  --fork-strategy fewest $(foreach name,playwright pyee greenlet,--no-emit-package $(name)) -o requirements-site.txt
