import { quoteForShell } from "../base/text.ts";
/** A flag as shells complete it. */
export interface CompletedFlag {
  /** Without its dashes. */
  name: string;
  help: string;
  takesValue: boolean;
  /** Values to offer; files when there are none. */
  values: readonly string[];
}

/** What a program's completion script knows. */
export interface CompletedProgram {
  name: string;
  /** Flags that go with every command, and with none. */
  flags: readonly CompletedFlag[];
  commands: readonly (CompletedCommand & { actions: readonly CompletedCommand[] })[];
}

/** A command or a subcommand as shells complete it. */
export interface CompletedCommand {
  /** In full: `servers add`. */
  name: string;
  summary: string;
  /** What may follow the name. */
  words: readonly string[];
  flags: readonly CompletedFlag[];
}

/** A completion script by the name of its shell. */
export const COMPLETION_SCRIPTS: Readonly<Record<string, (program: CompletedProgram) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
  powershell: powershellScript,
};

function bashScript(program: CompletedProgram): string {
  const { name, flags, commands } = program;
  const commandFlags = cases(
    allCommands(program),
    ({ flags }) => flags.length > 0 && `words='${flags.map(written).join(" ")}'`,
  );
  const commandWords = cases(commands, ({ words }) => words.length > 0 && `words='${words.join(" ")}'`);
  const values = valueCases(program, (choices) => `words='${choices.join(" ")}'`);
  return `# bash completion of ${name}, made by: ${name} completions bash
${functionName(name)}() {
  local cur=\${COMP_WORDS[COMP_CWORD]} command= argument= flag= prefix= words= word i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    case $word in
      ${valueFlags(program)}) flag=$word ;;
      =) ;;
      -*) flag= ;;
      *)
        if [[ -n $flag ]]; then flag=
        elif [[ -z $command ]]; then command=$word
        elif [[ -z $argument ]]; then argument=$word
        fi
        ;;
    esac
  done
  # Where = does not separate words, the flag and its value are one.
  if [[ $cur == --*=* ]]; then flag=\${cur%%=*} prefix=$flag= cur=\${cur#*=}; fi
  if [[ $cur == = ]]; then cur=; fi
  if [[ -n $flag ]]; then
    case $flag in
${values}
      *)
        local IFS=$'\\n'
        COMPREPLY=($(compgen -f -P "$prefix" -- "$cur"))
        compopt -o filenames 2>/dev/null
        return
        ;;
    esac
  elif [[ $cur == -* ]]; then
    case "$command $argument" in
${commandFlags}
    esac
    words+=' ${flags.map(written).join(" ")}'
  elif [[ -z $command ]]; then
    words='${commands.map(({ name }) => name).join(" ")}'
  elif [[ -z $argument ]]; then
    case $command in
${commandWords}
    esac
  fi
  COMPREPLY=($(compgen -P "$prefix" -W "$words" -- "$cur"))
  if [[ \${COMPREPLY[0]} == *= ]]; then compopt -o nospace 2>/dev/null; fi
}
complete -F ${functionName(name)} ${name}
`;
}

function zshScript(program: CompletedProgram): string {
  const { name, flags, commands } = program;
  const described = (flag: CompletedFlag) => quoteForShell(`--${flag.name}:${flag.help}`);
  const pick = (all: readonly CompletedFlag[], takesValue: boolean) =>
    all.filter((flag) => flag.takesValue === takesValue).map(described).join(" ");
  const commandFlags = cases(allCommands(program), (command) =>
    command.flags.length > 0 &&
    `switches=(${pick(command.flags, false)}) valued=(${pick(command.flags, true)})`);
  const commandWords = cases(commands, ({ words }) => words.length > 0 && `compadd -- ${words.join(" ")}`);
  return `#compdef ${name}
# zsh completion of ${name}, made by: ${name} completions zsh
${functionName(name)}() {
  local command argument flag word i
  local -a found switches valued
  for ((i = 2; i < CURRENT; i++)); do
    word=\${words[i]}
    case $word in
      (${valueFlags(program)}) flag=$word ;;
      (-*) flag= ;;
      (*)
        if [[ -n $flag ]]; then flag=
        elif [[ -z $command ]]; then command=$word
        elif [[ -z $argument ]]; then argument=$word
        fi
        ;;
    esac
  done
  word=\${words[CURRENT]}
  if [[ $word == --*=* ]]; then flag=\${word%%=*}; compset -P '*='; fi
  if [[ -n $flag ]]; then
    case $flag in
${valueCases(program, (choices) => `compadd -- ${choices.join(" ")}`)}
      *) _files ;;
    esac
  elif [[ $word == -* ]]; then
    case "$command $argument" in
${commandFlags}
    esac
    switches+=(${pick(flags, false)})
    valued+=(${pick(flags, true)})
    _describe -o flag switches -- valued -S =
  elif [[ -z $command ]]; then
    found=(${commands.map(({ name, summary }) => quoteForShell(`${name}:${summary}`)).join(" ")})
    _describe command found
  elif [[ -z $argument ]]; then
    case $command in
${commandWords}
    esac
  fi
}
# As a file of $fpath this text is the function's body, run at each completion.
if [[ $funcstack[1] == _${name} ]]; then ${functionName(name)} "$@"
else compdef ${functionName(name)} ${name}
fi
`;
}

function fishScript({ name, flags, commands }: CompletedProgram): string {
  const line = (...words: string[]) => ["complete -c", name, ...words].join(" ");
  const flagLine = (condition: string, flag: CompletedFlag) => {
    const values = flag.values.length > 0 ? `-x -a ${quoteFish(flag.values.join(" "))}` : "-r -F";
    return line(condition, "-l", flag.name, ...(flag.takesValue ? [values] : []), "-d", quoteFish(flag.help));
  };
  const lines = commands.flatMap((command) => {
    const isGiven = `__fish_seen_subcommand_from ${command.name}`;
    const words = command.words.join(" ");
    return [
      line("-n __fish_use_subcommand -a", command.name, "-d", quoteFish(command.summary)),
      ...command.flags.map((flag) => flagLine(`-n '${isGiven}'`, flag)),
      ...command.actions.flatMap((action) => {
        const word = action.name.slice(command.name.length + 1);
        const isNamed = `-n '${isGiven}; and __fish_seen_subcommand_from ${word}'`;
        const offered = line(
          `-n '${isGiven}; and not __fish_seen_subcommand_from ${words}' -a`,
          word,
          "-d",
          quoteFish(action.summary),
        );
        return [offered, ...action.flags.map((flag) => flagLine(isNamed, flag))];
      }),
      ...(words === "" || command.actions.length > 0
        ? []
        : [line(`-n '${isGiven}; and not __fish_seen_subcommand_from ${words}' -a '${words}'`)]),
    ];
  });
  return [
    `# fish completion of ${name}, made by: ${name} completions fish`,
    line("-f"),
    ...lines,
    ...flags.map((flag) => flagLine("", flag)),
  ].join("\n").replaceAll(/ {2,}/g, " ") + "\n";
}

function powershellScript(program: CompletedProgram): string {
  const { name, flags, commands } = program;
  const quote = (text: string) => `'${text.replaceAll("'", "''")}'`;
  const list = (texts: readonly string[]) => `@(${texts.map(quote).join(", ")})`;
  const table = (entries: [string, readonly string[]][]) =>
    entries.map(([key, texts]) => `    ${quote(key)} = ${list(texts)}`).join("\n");
  return `# PowerShell completion of ${name}, made by: ${name} completions powershell
Register-ArgumentCompleter -Native -CommandName ${quote(name)} -ScriptBlock {
  param($word, $ast, $position)
  $arguments = @{
${table(commands.map(({ name, words }) => [name, words]))}
  }
  $flags = @{
${table(allCommands(program).map(({ name, flags }) => [name, flags.map(written)]))}
  }
  $words = @($ast.CommandElements | Select-Object -Skip 1 | ForEach-Object { "$_" })
  if ($word -ne '') { $words = @($words | Select-Object -SkipLast 1) }
  $given = @($words | Where-Object { $_ -notlike '-*' })
  $found = @()
  if ($word -like '-*') {
    if ($given.Count -gt 0) { $found += $flags[$given[0]] }
    if ($given.Count -gt 1) { $found += $flags["$($given[0]) $($given[1])"] }
    $found += ${list(flags.map(written))}
  } elseif ($given.Count -eq 0) {
    $found = ${list(commands.map(({ name }) => name))}
  } elseif ($given.Count -eq 1) {
    $found = $arguments[$given[0]]
  }
  $found | Where-Object { $_ -like "$word*" } | ForEach-Object {
    [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
  }
}
`;
}

function functionName(program: string): string {
  return `_${program.replaceAll("-", "_")}`;
}

/** A flag as it is typed; with `=` where a value follows. */
function written({ name, takesValue }: CompletedFlag): string {
  return takesValue ? `--${name}=` : `--${name}`;
}

function allFlags({ flags, commands }: CompletedProgram): CompletedFlag[] {
  return [
    ...flags,
    ...commands.flatMap((command) => [command, ...command.actions].flatMap(({ flags }) => flags)),
  ];
}

/** A pattern of `case` for the flags that take a value. */
function valueFlags(program: CompletedProgram): string {
  const names = allFlags(program).filter(({ takesValue }) => takesValue).map(({ name }) => `--${name}`);
  return [...new Set(names)].join("|");
}

/** Commands with their subcommands first, whose names are longer. */
function allCommands({ commands }: CompletedProgram): CompletedCommand[] {
  return commands.flatMap((command) => [...command.actions, command]);
}

/** A pattern of `case` for the command line `"COMMAND WORD"`, or for a command alone. */
function pattern(name: string): string {
  return name.includes(" ") ? `'${name}'` : `${name}|${name}\\ *`;
}

/** The branches of a `case` on the name of a command; no branch where `body` gives none. */
function cases(
  commands: readonly CompletedCommand[],
  body: (command: CompletedCommand) => string | false,
): string {
  return commands.flatMap((command) => {
    const text = body(command);
    return text === false ? [] : [`      ${pattern(command.name)}) ${text} ;;`];
  }).join("\n");
}

/** The branches of a `case` on a flag with values to offer. */
function valueCases(program: CompletedProgram, body: (values: readonly string[]) => string): string {
  return allFlags(program).filter(({ values }) => values.length > 0)
    .map(({ name, values }) => `      --${name}) ${body(values)} ;;`).join("\n");
}

function quoteFish(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
