#!/bin/sh
# Installs EXAI for the user who runs it, without root: the two programs, and their directory in PATH. Running it again
# updates them. From an unpacked archive it installs what lies beside it; alone it downloads the archive of its release.
# It needs a POSIX shell, tar, gzip and, to download, curl or wget.
set -eu

version='@version@'
repository='@repository@'

usage() {
  cat <<'EOF'
Usage: install.sh [options]

  --dir DIR     install into DIR (~/.local/share/exai, or EXAI_INSTALL_DIR)
  --no-path     leave PATH as it is
  --adopt       also take over the MCP servers of the clients found, without questions
  --no-preview  do not show what that would change
  --service     also start the daemon at each login
  --help        show this

Uninstall with the script uninstall.sh in the same directory.
EOF
}

say() { printf '%s\n' "$*"; }
fail() { printf 'install.sh: %s\n' "$*" >&2; exit 1; }

parse() {
  dir=${EXAI_INSTALL_DIR:-}
  path=yes adopt=preview service=no
  while [ $# -gt 0 ]; do
    case $1 in
      --dir) [ $# -gt 1 ] || fail "--dir needs a directory"; dir=$2; shift ;;
      --dir=*) dir=${1#--dir=} ;;
      --no-path) path=no ;;
      --adopt) adopt=yes ;;
      --no-preview) adopt=no ;;
      --service) service=yes ;;
      --help | -h) usage; exit 0 ;;
      *) printf 'install.sh: %s is not known\n' "$1" >&2; usage >&2; exit 2 ;;
    esac
    shift
  done
  if [ -z "$dir" ]; then
    [ -n "${HOME:-}" ] || fail "HOME is not set; name a directory with --dir"
    dir=${XDG_DATA_HOME:-$HOME/.local/share}/exai
  fi
  case $dir in
    /*) ;;
    *) dir=$PWD/$dir ;;
  esac
  case $dir in
    *:* | *'
'*) fail "the directory must not have a colon or a line break in its name, for PATH: $dir" ;;
  esac
}

# The system as the archives are called: linux-x64.
this_system() {
  case $(uname -s) in
    Linux) os=linux ;;
    Darwin) os=macos ;;
    *) fail "there is no program for $(uname -s) here; on Windows use install.ps1" ;;
  esac
  case $(uname -m) in
    x86_64 | amd64) cpu=x64 ;;
    aarch64 | arm64) cpu=arm64 ;;
    *) fail "there is no program for the processor $(uname -m)" ;;
  esac
  # A shell that Rosetta translates says x86_64 on an arm64 machine.
  if [ "$os" = macos ] && [ "$(sysctl -n sysctl.proc_translated 2>/dev/null)" = 1 ]; then cpu=arm64; fi
  say "$os-$cpu"
}

fetch() {
  if command -v curl >/dev/null 2>&1; then
    curl --fail --silent --show-error --location --output "$2" "$1"
  elif command -v wget >/dev/null 2>&1; then
    wget --quiet --output-document="$2" "$1"
  else
    fail "neither curl nor wget is here; download the archive by other means, unpack it, and run install.sh in it"
  fi || fail "$1 cannot be downloaded"
}

checksum() {
  if command -v sha256sum >/dev/null 2>&1; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d' ' -f1
}

# Downloads and unpacks the archive of this release, and sets $source to its folder.
download() {
  base=${EXAI_DOWNLOAD_URL:-}
  if [ -z "$base" ]; then
    [ -n "$repository" ] || fail "the programs are not beside this script; unpack the whole archive and run install.sh in it"
    base=$repository/releases/download/v$version
  fi
  system=$(this_system)
  folder=exai-$version-$system
  temporary=$(mktemp -d)
  trap 'rm -rf "$temporary"' EXIT
  trap 'exit 1' HUP INT TERM
  say "Downloading $base/$folder.tar.gz"
  fetch "$base/SHA256SUMS" "$temporary/SHA256SUMS"
  expected=$(sed -n "s/^\([0-9a-f]\{64\}\) [ *]$folder\.tar\.gz\$/\1/p" "$temporary/SHA256SUMS")
  [ -n "$expected" ] || fail "release $version has no archive for $system"
  fetch "$base/$folder.tar.gz" "$temporary/archive.tar.gz"
  found=$(checksum "$temporary/archive.tar.gz")
  [ "$found" = "$expected" ] || fail "what was downloaded is damaged: its SHA-256 is $found, and should be $expected"
  tar -xzf "$temporary/archive.tar.gz" -C "$temporary"
  source=$temporary/$folder
}

# Where the programs to install are. Piped into a shell, the script has no place of its own.
find_source() {
  case $0 in
    */install.sh | install.sh) source=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd) ;;
    *) source= ;;
  esac
  if [ -z "$source" ] || [ ! -f "$source/exai-daemon" ] || [ ! -f "$source/exai-shim" ]; then download; fi
}

# A program of another system, or of another C library, does not start: that is said before anything is changed.
check_source() {
  # What a browser has downloaded is marked on macOS, and what is marked does not start without Apple's signature.
  if [ "$(uname -s)" = Darwin ]; then
    xattr -d com.apple.quarantine "$source/exai-daemon" "$source/exai-shim" 2>/dev/null || true
  fi
  if ! shown=$("$source/exai-daemon" --version 2>&1); then
    say "$shown" >&2
    fail "the programs do not run here ($(uname -sm)). Take the archive of this system; on Linux it needs glibc 2.27 or later"
  fi
}

# Puts a file in its place in one step: a program that runs keeps the file it was started from.
put() {
  cp "$1" "$2.new"
  chmod "$3" "$2.new"
  mv -f "$2.new" "$2"
}

copy() {
  mkdir -p "$dir/bin" || fail "$dir/bin cannot be made; name another directory with --dir"
  for name in exai-daemon exai-shim; do put "$source/$name" "$dir/bin/$name" 755; done
  put "$source/uninstall.sh" "$dir/uninstall.sh" 755
  for name in LICENSE README.md CHANGELOG.md THIRD-PARTY-LICENSES.txt sbom.cdx.json; do
    [ ! -f "$source/$name" ] || put "$source/$name" "$dir/$name" 644
  done
  if [ -d "$source/docs" ]; then
    mkdir -p "$dir/docs"
    for name in "$source"/docs/*; do put "$name" "$dir/docs/${name##*/}" 644; done
  fi
}

# Appends the line for PATH to a profile, between marks that uninstall.sh looks for. The first mark says what it must undo.
add_block() {
  how=
  if [ ! -e "$1" ]; then
    how=' (new file)'
  elif [ -s "$1" ] && [ -n "$(tail -c 1 "$1")" ]; then
    how=' (line end added)'
  fi
  if [ -e "$1" ] && grep -q '^# >>> exai >>>' "$1"; then return; fi
  {
    [ "$how" != ' (line end added)' ] || printf '\n'
    printf '# >>> exai >>>%s\n' "$how"
    printf '%s\n' "$2"
    printf '# <<< exai <<<\n'
  } 2>/dev/null >>"$1" || { say "  $1 cannot be written; add $dir/bin to PATH yourself"; return; }
  say "  PATH: $1"
}

add_to_path() {
  [ -n "${HOME:-}" ] || { say "  HOME is not set, so PATH stays as it is"; return; }
  quoted=$(printf '%s' "$dir/bin" | sed "s/'/'\\\\''/g")
  line="case \":\$PATH:\" in *:'$quoted':*) ;; *) export PATH='$quoted':\"\$PATH\" ;; esac"
  zsh=${ZDOTDIR:-$HOME}/.zshrc
  added=no
  for profile in "$HOME/.profile" "$HOME/.bash_profile" "$HOME/.bash_login" "$HOME/.bashrc" "$zsh"; do
    if [ -e "$profile" ]; then add_block "$profile" "$line"; added=yes; fi
  done
  case ${SHELL:-} in
    */zsh) [ -e "$zsh" ] || { add_block "$zsh" "$line"; added=yes; } ;;
  esac
  fish=${XDG_CONFIG_HOME:-$HOME/.config}/fish
  if [ -d "$fish" ]; then
    mkdir -p "$fish/conf.d"
    escaped=$(printf '%s' "$dir/bin" | sed "s/[\\\\']/\\\\&/g")
    printf "contains -- '%s' \$PATH; or set -gx PATH '%s' \$PATH\n" "$escaped" "$escaped" >"$fish/conf.d/exai.fish"
    say "  PATH: $fish/conf.d/exai.fish"
    case ${SHELL:-} in */fish) added=yes ;; esac
  fi
  [ "$added" = yes ] || add_block "$HOME/.profile" "$line"
}

# A daemon of the version before goes on until it is told to stop. Its calls finish, and the next window starts this one.
stop_old() {
  [ "$updates" = yes ] || return 0
  status=0
  "$dir/bin/exai-daemon" stop >/dev/null 2>&1 || status=$?
  case $status in
    0) say "  no daemon of the version before runs now; the next window starts this one" ;;
    3) ;;
    *) say "  the daemon of the version before could not be stopped: run exai-daemon stop" ;;
  esac
}

# A step of the program itself. What it cannot do does not undo the installation.
step() {
  say ""
  say "\$ exai-daemon $*"
  "$dir/bin/exai-daemon" "$@" </dev/null || say "(that ended with exit code $?; the programs are installed all the same)"
}

main() {
  parse "$@"
  find_source
  check_source
  updates=no
  [ ! -f "$dir/bin/exai-daemon" ] || updates=yes
  copy
  say "$shown"
  say "  installed in $dir"
  if [ "$path" = yes ]; then
    case ":${PATH:-}:" in
      *":$dir/bin:"*) ;;
      *) add_to_path ;;
    esac
  fi
  stop_old
  case $adopt in
    preview) step adopt --dry-run ;;
    yes) step adopt --yes ;;
  esac
  [ "$service" = no ] || step service install
  say ""
  say "Open a new terminal, or use it here at once:"
  say "  export PATH=\"$dir/bin:\$PATH\""
  [ "$adopt" = yes ] || say "Take over the MCP servers of your clients:  exai-daemon adopt"
  say "Uninstall:  $dir/uninstall.sh"
}

main "$@"
