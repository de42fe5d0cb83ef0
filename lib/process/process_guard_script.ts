/**
 * A POSIX shell script. Reads `+PGID` and `-PGID` lines to the end of its stdin, then ends the groups still listed.
 * It also ends groups that their descendants have made (browsers do), as far as it finds them: from `/proc`, which
 * needs no further process, elsewhere from `ps`.
 */
export const WATCHDOG_SCRIPT = String
  .raw`# The watchdog of EXAI: ends the MCP servers of a daemon that was killed.
trap '' HUP INT
groups=' '
while read -r line; do
  id=${"${line#?}"}
  case $line in
    +*) groups="$groups$id " ;;
    -*) case $groups in *" $id "*) groups="${"${groups%% $id *}"} ${"${groups#* $id }"}" ;; esac ;;
  esac
done
case $groups in *[0-9]*) ;; *) exit 0 ;; esac

# Lines of "pid ppid pgid".
table() {
  if [ -r /proc/self/stat ]; then
    for file in /proc/[0-9]*/stat; do
      read -r stat 2>/dev/null < "$file" || continue
      rest=${"${stat##*) }"}
      set -- $rest
      echo "${"${stat%% *}"} $2 $3"
    done
  else
    ps -A -o pid= -o ppid= -o pgid=
  fi
}

processes=$groups
found=yes
while [ "$found" ]; do
  found=
  while read -r pid ppid pgid; do
    case $pgid in 0 | 1) continue ;; esac
    case $processes in *" $pid "*) continue ;; esac
    case "$processes:$groups" in
      *" $ppid "*:* | *:*" $pgid "*) ;;
      *) continue ;;
    esac
    processes="$processes$pid "
    found=yes
    case $groups in *" $pgid "*) ;; *) groups="$groups$pgid " ;; esac
  done <<TABLE
$(table 2>/dev/null)
TABLE
done

for id in $groups; do kill -s TERM -- "-$id"; done 2>/dev/null
sleep 1
for id in $groups; do kill -s KILL -- "-$id"; done 2>/dev/null
`;
