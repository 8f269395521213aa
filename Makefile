# netvip: `make demo` shows what it is for, `make test` proves it. Both install what they need.
PYTHON ?= python3
VENV   ?= .venv
SUITES ?= bookworm trixie
CACHE  ?= /var/cache/netvip-lab
# More than there are cores: a node mostly waits.
WORKERS ?= 3
# How many configurations make differential tries.
FILES ?= 10000
# Kernels of Debian's package user-mode-linux.
KERNELS ?= 6.1 6.12
# How often make kernels runs each action with netvip: the run in the middle counts.
RUNS ?= 1
# The release that make bench measures.
BENCH ?= trixie
PYTEST := $(VENV)/bin/python -m pytest --durations=10
APT    := apt-get -o DPkg::Lock::Timeout=300 -qq install -y --no-install-recommends

LAB_PACKAGES := mmdebstrap debian-archive-keyring iproute2 procps util-linux nftables \
                iptables dpkg-dev kmod gcc libc6-dev
DEB_PACKAGES := build-essential debhelper dh-python python3-all python3-setuptools \
                pybuild-plugin-pyproject lintian fakeroot python3-venv python3-dbus-next \
                python3-hypothesis python3-jinja2 python3-pyroute2 python3-pytest python3-pytest-asyncio

export NETVIP_LAB_CACHE := $(CACHE)

# Every file that begins as a shell script does.
SHELL_SCRIPTS = $(shell git ls-files -z | \
    xargs -0 awk 'FNR == 1 && /^#!.*sh( |$$)/ { print FILENAME } { nextfile }')

.PHONY: demo upgrades differential never-worse ways record test unit lab kernels boot matrix bench deb lint ruff mypy \
        shellcheck docs clean packages venv

# With KERNEL=6.1 on that kernel of Debian's.
demo: packages deb $(if $(KERNEL),build/probe)
	$(if $(KERNEL),$(VENV)/bin/python -m tests.kernels $(KERNEL)) \
	    $(VENV)/bin/python -m tests.lab.demo $(SUITES)

never-worse: packages deb
	NETVIP_LAB_ALL=1 $(PYTEST) -s tests/lab/test_never_worse.py tests/lab/test_strangers.py \
	    tests/lab/test_users.py tests/lab/test_containers.py

# Ways to lose a VIP: the table of docs/ways.md.
ways: packages deb
	NETVIP_LAB_ALL=1 $(PYTEST) -s tests/lab/test_ways.py

# Configurations with random mistakes, read by netvip and by keepalived.
differential: packages
	NETVIP_DIFFERENTIAL=$(FILES) $(PYTEST) -s tests/netns/test_keepalived_differential.py

upgrades: packages deb
	$(VENV)/bin/python -m tests.lab.upgrade_table $(SUITES)

test: lint packages deb build/probe
	$(PYTEST) --once tests -n $(WORKERS) -m 'not idle and not hosts and not kernels and not boot'
	$(PYTEST) --once tests -m idle
	$(PYTEST) tests/kernels -m kernels

unit: venv
	$(PYTEST) tests/unit tests/sim -n $(WORKERS)

lab: packages deb
	$(PYTEST) tests/netns tests/lab -n $(WORKERS) -m 'not idle and not hosts and not kernels'
	$(PYTEST) tests/lab -m idle

# Kinds of hosts on Debian's kernels, each in a user-mode-linux guest of its own.
kernels: packages deb build/probe
	for kernel in $(KERNELS); do \
	    NETVIP_LAB_RUNS=$(RUNS) $(VENV)/bin/python -m tests.kernels $$kernel \
	        $(VENV)/bin/python -m pytest -s -p no:cacheprovider -m hosts tests/lab || exit 1; \
	done
	$(MAKE) boot

# Whole machines on the same kernels, each with the root file system of its suite.
boot: packages deb
	NETVIP_LAB_KERNELS="$(KERNELS)" $(PYTEST) -s -m boot tests/kernels

build/probe: tests/lab/tools/probe.c build/.packages
	gcc -O2 -Wall -Wextra -o $@ $<

matrix: packages deb
	NETVIP_LAB_ALL=1 NETVIP_LAB_SUITES="bookworm backports trixie sid" $(MAKE) lab

# PARTS=size, reaction, packets or verbs alone; BENCH=bookworm for another release.
bench: packages deb build/probe
	NETVIP_LAB_PROBER=$(CURDIR)/build/probe $(VENV)/bin/python -m tests.bench --suite $(BENCH) $(PARTS)

deb: build/netvip.deb

lint: ruff mypy shellcheck

ruff: venv
	$(VENV)/bin/ruff check netvip tests docs
	$(VENV)/bin/ruff format --check --quiet netvip tests docs

mypy: venv
	$(VENV)/bin/mypy

shellcheck: venv
	$(VENV)/bin/shellcheck $(SHELL_SCRIPTS)

docs: venv
	$(VENV)/bin/python docs/draw.py > docs/states.md
	$(VENV)/bin/python docs/sequence.py > docs/sequence.md
	$(VENV)/bin/python docs/rooms.py > docs/architecture.new
	mv docs/architecture.new docs/architecture.md

record: packages deb
	$(VENV)/bin/python -m tests.lab.record > docs/sequence.new
	mv docs/sequence.new docs/sequence.json
	$(VENV)/bin/python docs/sequence.py > docs/sequence.md

clean:
	rm -rf build .venv *.egg-info

venv: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml
	$(PYTHON) -c 'import ensurepip' 2>/dev/null || { apt-get -qq update; $(APT) python3-venv; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip --quiet --disable-pip-version-check install --editable '.[test,lint]'
	touch $@

# Only root can install packages; what is there already is not asked for again.
packages: venv build/.packages

build/.packages:
	apt-get -qq update
	$(APT) $(LAB_PACKAGES) $(DEB_PACKAGES) >/dev/null
	mkdir -p build && touch $@

build/netvip.deb: build/.packages $(shell find netvip scripts systemd tmpfiles.d debian docs pyproject.toml -type f -not -path '*/__pycache__/*' -not -path 'debian/netvip/*' -not -path 'debian/.debhelper/*')
	tests/build-deb
