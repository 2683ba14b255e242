# make setup     environment with everything for development, and the pre-commit hooks
# make demo      environment, install, train on generated scenes, and localize in real images
# make test      environment, lint, types and tests (in two processes; WORKERS=N changes that)
# make coverage  tests with branch coverage; writes build/coverage
# make lint      ruff, typos, import-linter and mypy only
# make docs      build the documentation site into build/site; warnings are errors (requires npm, for the page Try it)
# make pictures  draw the pictures of docs/tools, from the output of make demo (requires make consumers, exiftool, Chromium)
# make consumers install the programs that tests read written formats with, each with its own dependencies
# make bench     compare speeds on real images; writes docs/benchmarks.md (BENCH_ARGS='--model FILE')
# make fuzz      damage datasets, images, models and caches at random for some minutes (FUZZ_ARGS='--minutes 60')
# make voc20     train the model that ships, from a Pascal VOC devkit (VOC=VOCdevkit/VOC2012, VOC20_ARGS='--val-split val')
# make format    apply ruff's automatic fixes
# make clean     remove the environment and the demo's output

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PYTEST_ARGS ?=
WORKERS ?= 2
BENCH_ARGS ?=
FUZZ_ARGS ?=
VOC ?= VOCdevkit/VOC2012
VOC20_ARGS ?=

# labelme 7 requires Python 3.12.
CONSUMERS := datumaro==1.13.12 label-studio-sdk==2.1.2 labelme==6.3.1 pyexiv2==2.16.0 ultralytics==8.4.190

.PHONY: setup demo test coverage lint docs pictures consumers bench fuzz voc20 format clean help

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

$(VENV)/base: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/dev: $(VENV)/base
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[formats,masks,parquet,video,timm,int8,caffe,reproduce,demo,onnx]' --group dev
	@touch $@

$(VENV)/demo: $(VENV)/base
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[demo]'
	@touch $@

setup: $(VENV)/dev
	$(BIN)/pre-commit install

demo: $(VENV)/demo
	$(BIN)/freeloc demo --out demo
	$(BIN)/python -m recipes.everyday --out demo/images

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/typos
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy

test: lint
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile $(PYTEST_ARGS)

coverage: $(VENV)/dev
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --cov --cov-report=term --cov-report=html:build/coverage $(PYTEST_ARGS)

docs: $(VENV)/dev
	$(BIN)/python docs/try_it.py
	$(BIN)/python docs/build_site.py

pictures: $(VENV)/dev
	$(BIN)/python -m docs.tool_pictures --demo demo

consumers: $(VENV)/base
	set -e; for each in $(CONSUMERS); do \
		$(BIN)/python -m pip install --quiet --upgrade --target "build/consumers/$${each%%==*}" "$$each"; \
	done

$(VENV)/bench: $(VENV)/base
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[timm,int8]' --group bench
	@touch $@

bench: $(VENV)/bench
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

fuzz: $(VENV)/dev
	$(BIN)/python -m tests.fuzz $(FUZZ_ARGS)

voc20: $(VENV)/dev
	$(BIN)/python -m recipes.voc20 --root '$(VOC)' $(VOC20_ARGS)

format: $(VENV)/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) demo build
