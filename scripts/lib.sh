# Shared by the scripts: says what is missing, why, and installs it. Sourced, never run.
# shellcheck shell=bash

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Toolchains are installed here on purpose and said so, never by the way.
export RUSTUP_AUTO_INSTALL=0

say() { printf '\n==> %s\n' "$*" >&2; }

# What is left out, said at once and once more by `scripts/test` in the end.
skipped=()
skip() { skipped+=("$*"); say "SKIPPED $*"; }
die() { printf '\nerror: %s\n' "$*" >&2; exit 1; }

# Where cargo puts what it builds.
target_dir() { printf '%s' "${CARGO_TARGET_DIR:-$PWD/target}"; }

# need_debian "why" package...: installs Debian packages that are missing.
need_debian() {
    local why=$1 package missing=()
    shift
    command -v dpkg-query >/dev/null || { say "not Debian: install yourself what matches: $* ($why)"; return 0; }
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing ${missing[*]}: $why"
    local root=()
    [ "$(id -u)" = 0 ] || root=(sudo)
    "${root[@]}" apt-get update -qq || die "the package lists cannot be read; is there a network?"
    DEBIAN_FRONTEND=noninteractive "${root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2 ||
        die "cannot install ${missing[*]}: install them by hand, then run this again"
}

# The Rust toolchain of rust-toolchain.toml with its target and components.
need_rust() {
    command -v cargo >/dev/null || die "cargo is not there: install Rust from https://rustup.rs, then run this again"
    command -v rustup >/dev/null || return 0
    rustup toolchain list | grep -q '^stable' || { say "installing the stable Rust toolchain"; rustup toolchain install stable; }
    if ! rustup target list --installed | grep -q wasm32-unknown-unknown; then
        say "adding the target wasm32-unknown-unknown: the pixel is WebAssembly"
        rustup target add wasm32-unknown-unknown
    fi
}

need_rust_component() {
    command -v rustup >/dev/null || return 0
    rustup component list --installed | grep -q "^$1" || { say "adding the component $1"; rustup component add "$1"; }
}

# The test runner: one process a test, and a summary that says what failed.
need_nextest() {
    cargo nextest --version >/dev/null 2>&1 && return 0
    say "installing cargo-nextest, the test runner (some minutes, once)"
    cargo install --locked cargo-nextest || cargo install cargo-nextest || die "cargo-nextest cannot be installed"
}

# The browser that the demo and the tests drive.
need_browser() {
    need_debian "a real browser clicks and buys" chromium chromium-driver
}

# Where tools are kept that only checks and tests use.
tools="${XDG_CACHE_HOME:-$HOME/.cache}/afterclick/tools"

# need_tool crate "why": a program from the crates' registry, built once.
need_tool() {
    [ -x "$tools/bin/$1" ] && return 0
    say "installing $1 into $tools: $2 (some minutes, once)"
    cargo install --quiet --locked "$1" --root "$tools" || die "$1 cannot be installed"
}

# The other engines that the pixel is tested in. What cannot be installed is skipped, visibly.
need_other_browsers() {
    (need_debian "the pixel is also tested in Firefox" firefox-esr) || skip "the pixel's tests in Firefox: no firefox-esr here"
    if [ ! -x "$tools/bin/geckodriver" ] && ! command -v geckodriver >/dev/null; then
        say "installing geckodriver into $tools, which drives Firefox (some minutes, once)"
        cargo install --quiet --locked geckodriver --root "$tools" || cargo install --quiet geckodriver --root "$tools" ||
            skip "the pixel's tests in Firefox: geckodriver cannot be installed"
    fi
    (need_debian "the pixel is also tested in WebKit, the engine of every iPhone" webkit2gtk-driver xvfb) ||
        skip "the pixel's tests in WebKit: no webkit2gtk-driver here"
}

# What tests need from npm: the platforms' own libraries sign webhooks that the server must believe,
# and the checkers of pages read what people are served. Versions are those of the lock file.
need_node_modules() {
    local from=redirector/tests/platforms senders="${XDG_CACHE_HOME:-$HOME/.cache}/afterclick/senders"
    local why="Shopify's and Stripe's own libraries sign webhooks in a test, axe and html-validate check pages"
    command -v npm >/dev/null || need_debian "$why" nodejs npm
    if ! cmp -s $from/package.json "$senders/package.json" || ! cmp -s $from/package-lock.json "$senders/package-lock.json" ||
        [ ! -d "$senders/node_modules/stripe" ] || [ ! -d "$senders/node_modules/axe-core" ]; then
        say "installing Shopify's and Stripe's libraries, axe and html-validate into $senders: $why"
        mkdir -p "$senders"
        cp $from/package{,-lock}.json "$senders/"
        npm install --no-save --prefix "$senders" --silent --no-audit --no-fund ||
            skip "what Shopify's and Stripe's libraries sign, and the check of pages: npm cannot install them here"
    fi
    export AFTERCLICK_TEST_NODE_MODULES="$senders/node_modules"
}

# The pixel, which the server embeds.
build_pixel() {
    { command -v node && command -v npm; } >/dev/null || need_debian "the pixel's scripts are made small with esbuild and terser" nodejs npm
    say "building the pixel"
    cargo xtask pixel "$@"
}
