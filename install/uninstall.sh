#!/bin/sh
# Takes EXAI away again: gives each client its own configuration back, stops the daemon, removes the programs and what
# install.sh wrote into profiles. What you wrote (mcp.json, exai.json, models.json) and the state stay, unless --purge.
set -eu

usage() {
  cat <<'EOF'
Usage: uninstall.sh [options]

  --keep-clients  leave the clients' configuration as it is, and with it what starts exai-shim
  --purge         also delete mcp.json, exai.json, models.json, your own tools, and the state directory
  --help          show this
EOF
}

say() { printf '%s\n' "$*"; }
fail() { printf 'uninstall.sh: %s\n' "$*" >&2; exit 1; }

clients=yes purge=no
for word; do
  case $word in
    --keep-clients) clients=no ;;
    --purge) purge=yes ;;
    --help | -h) usage; exit 0 ;;
    *) printf 'uninstall.sh: %s is not known\n' "$word" >&2; usage >&2; exit 2 ;;
  esac
done

dir=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
daemon=$dir/bin/exai-daemon
[ -f "$daemon" ] || fail "there is no $daemon: run the uninstall.sh of the directory EXAI is installed in"

# Takes back every adoption, the last one first, until there is none left. Clients whose files still start the shim would
# lose their tools, so nothing is removed before they have theirs back.
give_back() {
  while :; do
    if said=$("$daemon" adopt --undo --yes 2>&1 </dev/null); then
      say "$said"
      continue
    fi
    case $("$daemon" adopt --undo --yes --json 2>/dev/null </dev/null | tr -d ' \n') in
      *'"undone":null'*) return ;;
    esac
    say "$said" >&2
    fail "the clients' configuration could not be given back, so nothing was removed. Mend what is said above and run this again, or keep it as it is with --keep-clients"
  done
}

# A directory that links and mistakes must not make larger: it is deleted only when it is EXAI's own.
delete_own() {
  case $1 in
    */exai) [ ! -d "$1" ] || { rm -rf "$1"; say "deleted $1"; } ;;
  esac
}

remove_state() {
  if [ -n "${EXAI_HOME:-}" ]; then
    say "EXAI_HOME is set: delete $EXAI_HOME yourself if you no longer need it"
    return
  fi
  if [ "$(uname -s)" = Darwin ]; then
    delete_own "$HOME/Library/Application Support/exai"
  else
    delete_own "${XDG_STATE_HOME:-$HOME/.local/state}/exai"
    delete_own "${XDG_CONFIG_HOME:-$HOME/.config}/exai"
  fi
}

# Takes the block of install.sh out of a profile, and what it had to add for it. The file is written, not replaced: it may
# be a link.
remove_block() {
  [ -f "$1" ] && mark=$(grep '^# >>> exai >>>' "$1") || return 0
  rest=$(mktemp)
  # The block is the last thing in the file where nothing has been added since.
  last=$(tail -n 1 "$1")
  sed '/^# >>> exai >>>/,/^# <<< exai <<</d' "$1" >"$rest"
  case $mark in
    *'(line end added)')
      if [ "$last" = '# <<< exai <<<' ]; then
        # A command substitution drops line ends, of which there is the one that was added.
        text=$(cat "$rest")
        printf '%s' "$text" >"$rest"
      fi
      ;;
  esac
  if [ ! -s "$rest" ] && [ "${mark#*(new file)}" != "$mark" ]; then
    rm -f "$1"
  else
    cat "$rest" >"$1" || say "$1 cannot be written: remove the lines of exai in it yourself"
  fi
  rm -f "$rest"
}

main() {
  [ "$clients" = no ] || give_back
  "$daemon" service uninstall </dev/null >/dev/null 2>&1 || true
  status=0
  "$daemon" stop </dev/null >/dev/null 2>&1 || status=$?
  case $status in
    0 | 3) ;;
    *) say "the daemon could not be stopped: end it yourself" ;;
  esac
  if [ -n "${HOME:-}" ]; then
    for profile in .profile .bash_profile .bash_login .bashrc; do remove_block "$HOME/$profile"; done
    remove_block "${ZDOTDIR:-$HOME}/.zshrc"
    rm -f "${XDG_CONFIG_HOME:-$HOME/.config}/fish/conf.d/exai.fish"
    [ "$purge" = no ] || remove_state
  fi
  for name in LICENSE README.md CHANGELOG.md THIRD-PARTY-LICENSES.txt sbom.cdx.json; do rm -f "$dir/$name"; done
  rm -rf "$dir/docs"
  rm -f "$dir/bin/exai-daemon" "$dir/bin/exai-shim" "$dir/uninstall.sh"
  rmdir "$dir/bin" "$dir" 2>/dev/null || say "$dir has files of others and stays"
  say "EXAI is removed."
  [ "$purge" = yes ] || say "What you wrote yourself and the state stay; uninstall.sh --purge would have deleted them too."
}

main
