# Two commands matter: `make demo` and `make test`. The rest is for those who work here.
PYTHON ?= python3
VENV   ?= .venv
PY     := $(VENV)/bin/python
PORT   ?= 8000
DEMO   ?= demo

PINS_RUN  := requirements/embed.txt requirements/handler.txt
PINS_TEST := $(PINS_RUN) requirements/milvus.txt requirements/lambda.txt requirements/export.txt \
  requirements/dev.txt requirements/ray.txt
PIP       := -m pip install --quiet --disable-pip-version-check
INSTALL   := $(PY) $(PIP)

.PHONY: image image-test demo setup setup-export setup-test test check format bench bench-milvus bench-scale \
  bench-stability profile requirements clean help
.DEFAULT_GOAL := help

help:  ## This list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' Makefile

demo: setup  ## Sample songs, embedded and served on PORT (8000); no torch, no download of models.
	$(PY) -m embed.sample $(DEMO)/music
	$(PY) -m embed $(DEMO)/music --to $(DEMO)/bundle --previews
	VIBE_MUSIC_URL=$$($(PY) -c 'import pathlib; print(pathlib.Path("$(DEMO)/music").resolve().as_uri())') \
	  $(PY) -m handler --bundle $(DEMO)/bundle --port $(PORT)

setup: $(VENV)/.run  ## What embedding and serving need, in .venv.

setup-export: $(VENV)/.export  ## And what the conversion of CLAP needs (torch, transformers, optimum).

$(PY):
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else \
	  "Python 3.11 or newer is needed, $(PYTHON) is %d.%d; try make PYTHON=python3.12" % v[:2])'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(PINS_RUN) | $(PY)
	$(INSTALL) $(PINS_RUN:%=-r %)
	@touch $@

$(VENV)/.export: $(PINS_RUN) requirements/export.txt | $(PY)
	$(INSTALL) $(PINS_RUN:%=-r %) -r requirements/export.txt
	@touch $@ $(VENV)/.run

$(VENV)/.test: $(PINS_TEST) | $(PY)
	$(INSTALL) $(PINS_TEST:%=-r %)
	@touch $@ $(VENV)/.run $(VENV)/.export

# S3 for the tests, each apart: their pins are not ours.
$(VENV)/.moto: requirements/moto.txt | $(PY)
	$(PY) -m venv $(VENV)/moto
	$(VENV)/moto/bin/python $(PIP) -r $<
	@touch $@

# Where it cannot be installed the strict tests are skipped, and say so.
$(VENV)/.localstack: requirements/localstack.txt | $(PY)
	$(PY) -m venv $(VENV)/localstack
	@if $(VENV)/localstack/bin/python $(PIP) -r $<; \
	  then touch $@; else rm -rf $(VENV)/localstack; echo "LocalStack: not installed"; fi

# The Milvus server, likewise; 180 MB.
$(VENV)/.milvus: requirements/milvus-server.txt | $(PY)
	$(PY) -m venv $(VENV)/milvus
	@if $(VENV)/milvus/bin/python $(PIP) -r $<; \
	  then touch $@; else rm -rf $(VENV)/milvus; echo "Milvus: not installed"; fi

# checkov and shellcheck, for infra/.
$(VENV)/.infra: requirements/infra.txt | $(PY)
	$(PY) -m venv $(VENV)/infra
	$(VENV)/infra/bin/python $(PIP) -r $<
	@touch $@

setup-test: $(VENV)/.test $(VENV)/.moto $(VENV)/.localstack $(VENV)/.milvus $(VENV)/.infra $(VENV)/.emulator  ## What the tests need.

test: setup-test  ## All tests, the export of a full-size CLAP among them.
	$(PY) -m pytest

# buildah's docker format: OCI's knows no health check. docker before 23 must be told of BuildKit.
IMAGE_BUILD = $(if $(shell docker info >/dev/null 2>&1 && echo yes),DOCKER_BUILDKIT=1 docker build,buildah bud --layers --format docker)
# For BUNDLE=s3://…: the file is a secret of the build, in no layer; without one, a machine's role.
AWS_CREDENTIALS ?= $(or $(AWS_SHARED_CREDENTIALS_FILE),$(HOME)/.aws/credentials)
IMAGE_S3 = $(if $(wildcard $(AWS_CREDENTIALS)),--secret id=aws$(,)src="$(AWS_CREDENTIALS)") \
  $(foreach name,AWS_PROFILE AWS_REGION AWS_ENDPOINT_URL,$(if $($(name)),--build-arg $(name)="$($(name))"))
, := ,

image:  ## The image, by docker or buildah. BUNDLE=folder-in-here or s3://…, else the sample's. BASE=…@sha256:…
	$(IMAGE_BUILD) -t vibe-search:latest \
	  --build-arg REVISION="$(shell git rev-parse --verify --quiet HEAD || echo unknown)" \
	  $(if $(BASE),--build-arg BASE="$(BASE)") $(if $(BUNDLE),--build-arg BUNDLE="$(BUNDLE)") \
	  $(if $(filter s3://%,$(BUNDLE)),$(IMAGE_S3)) .

image-test: $(VENV)/.test $(VENV)/.moto $(VENV)/.emulator  ## The image built, run as server and as Lambda, and compared.
	$(PY) -m pytest -m image tests/test_image.py tests/test_image_kube.py tests/test_image_job.py tests/test_arm64.py

check: $(VENV)/.test  ## What CI runs before the tests: ruff and mypy.
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

format: $(VENV)/.test  ## Let ruff put the code in order.
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

$(VENV)/.bench: requirements/bench.txt | $(VENV)/.test $(VENV)/.emulator
	$(INSTALL) -r requirements/bench.txt
	@touch $@

$(VENV)/.emulator: requirements/emulator.txt | $(PY)
	$(INSTALL) --no-deps --upgrade --target $(VENV)/emulator -r $<
	@touch $@

bench: $(VENV)/.bench  ## Every speed beside its reference, fidelity beside it. MUSIC=folder ONLY=parts
	$(PY) -m tests.bench $(if $(MUSIC),--music "$(MUSIC)") $(if $(ONLY),--only "$(ONLY)")

bench-milvus: $(VENV)/.test $(VENV)/.milvus  ## Milvus beside the exact index. SONGS=10000
	$(PY) -m tests.bench.milvus --songs $(or $(SONGS),10000)

profile: $(VENV)/.test  ## The encoder's time by operator. BUNDLE=bundle
	$(PY) -m tests.bench.profile $(if $(BUNDLE),"$(BUNDLE)")

bench-stability: $(VENV)/.test  ## How far an embedding moves with a song's start. MUSIC=… BUNDLE=…
	$(PY) -m tests.bench.stability --music "$(or $(MUSIC),$(error MUSIC=folder is missing))" \
	  $(if $(BUNDLE),--bundle "$(BUNDLE)")

bench-scale: $(VENV)/.bench  ## Search in 100,000 to a million songs, beside faiss and exact; 5 GB of disk. SONGS=…
	$(PY) -m tests.bench.scale $(if $(SONGS),--songs "$(SONGS)") --scratch .cache

COMPILE := -m piptools compile --quiet --strip-extras --no-emit-index-url --no-emit-find-links \
  --no-emit-options --no-header --annotation-style=line

# What pyproject.toml reads may hold packages only, so what ties these together is said here.
AS_EMBED := -c requirements/embed.txt

# tokenizers asks for these, to download what we never do; 24 MB that the image is spared.
UNUSED := certifi charset-normalizer fsspec hf-xet huggingface-hub pyyaml requests urllib3

requirements: $(VENV)/.test  ## Compile the pins anew from requirements/*.in.
	for part in embed handler export milvus dev ray bench lambda moto localstack milvus-server infra; do \
	  case $$part in \
	    handler) more="$(AS_EMBED) $(UNUSED:%=--unsafe-package %)" ;; \
	    export) more="$(AS_EMBED) requirements/embed.in" ;; \
	    milvus) more="$(AS_EMBED) -c requirements/handler.txt" ;; \
	    ray) more="$(AS_EMBED) -c requirements/handler.txt -c requirements/dev.txt" ;; *) more= ;; \
	  esac; \
	  $(PY) $(COMPILE) -o requirements/$$part.txt requirements/$$part.in $$more || exit 1; \
	done
	sed -i.bak 's/^torch==\([0-9.]*\)+cpu/torch==\1/' requirements/*.txt && rm requirements/*.bak

clean:  ## Remove what make made.
	rm -rf $(VENV) $(DEMO) bench
