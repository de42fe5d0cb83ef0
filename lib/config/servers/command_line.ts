/** A command and its arguments. */
export type Words = readonly string[];

const SHELLS = /^(?:ba|da|z|k|fi|a)?sh$|^cmd$|^powershell$|^pwsh$/i;

/** Programs that start the program named after them. */
const LAUNCHERS = new Set(
  ("env npx bunx pnpx uvx pipx npm pnpm yarn bun deno node nodejs tsx ts-node exec command builtin eval nohup nice " +
    "ionice time timeout setsid stdbuf sudo doas xargs caffeinate unbuffer script wsl start call conhost dotenv " +
    "direnv mise volta proxychains proxychains4 dbx flatpak-spawn systemd-run chrt taskset firejail cross-env then do else")
    .split(" "),
);

/** Words between a launcher and the program it starts. */
const BETWEEN = new Set("run x exec dlx tool task start -- &".split(" "));

const ASSIGNMENT = /^[A-Za-z_][A-Za-z0-9_]*=/;
/** The duration of `timeout` and the like. */
const QUANTITY = /^\d+(?:\.\d+)?[smhd]?$/;
const SCRIPT_FILE = /\.(?:[cm]?[jt]sx?|py|rb|pl|php|jar|dll)$/i;
const MAX_NESTED = 8;

/**
 * The words of `line` that are started as programs: the first, and after launchers and shells those that they start.
 * Which flags of a launcher take a value is unknown, so both the word after a flag and the next one count.
 *
 * @example
 * ```ts
 * import { firstCommands } from "./command_line.ts";
 *
 * console.log(firstCommands(["env", "DEBUG=1", "npx", "-y", "some-server"])); // ["env", "npx", "some-server"]
 * ```
 */
export function firstCommands(line: Words, nested = 0): string[] {
  const start = line.findIndex((word) => !ASSIGNMENT.test(word));
  const [program, ...rest] = start < 0 ? [] : line.slice(start);
  if (program === undefined || nested > MAX_NESTED) return [];
  const name = program.slice(Math.max(program.lastIndexOf("/"), program.lastIndexOf("\\")) + 1)
    .replace(/\.(?:exe|cmd|bat)$/i, "");
  if (SHELLS.test(name)) return [program, ...inShell(rest, nested)];
  return LAUNCHERS.has(name.toLowerCase()) ? [program, ...behindLauncher(rest, nested)] : [program];
}

function behindLauncher(words: Words, nested: number): string[] {
  const found: string[] = [];
  let mayBeValue = false;
  for (const [i, word] of words.entries()) {
    if (BETWEEN.has(word) || ASSIGNMENT.test(word) || QUANTITY.test(word)) mayBeValue = false;
    else if (word.startsWith("-")) {
      mayBeValue = !word.includes("=");
      // env -S "exai-shim --flag", npx -c "exai-shim", node --import=…
      const inline = /^-\w*[Sc]$|^--(?:split-string|call|command)$/.test(word) ? words[i + 1] : undefined;
      if (inline !== undefined) {
        for (const line of wordsOf(inline)) found.push(...firstCommands(line, nested + 1));
      }
      const value = /^--?[\w-]+=(.*)$/.exec(word)?.[1];
      if (value && /^--(?:package|call|split-string)/.test(word)) {
        found.push(...wordsOf(value).flatMap((line) => firstCommands(line, nested + 1)));
      }
    } else {
      found.push(...firstCommands(words.slice(i), nested + 1));
      if (!mayBeValue || SCRIPT_FILE.test(word)) break;
      mayBeValue = false;
    }
  }
  return found;
}

function inShell(words: Words, nested: number): string[] {
  const isText = (word: string) =>
    /^-[a-z]*c$|^\/[ck]$|^-(?:command|encodedcommand)$|^--command$/i.test(word);
  const at = words.findIndex(isText);
  if (at >= 0) {
    return wordsOf(words.slice(at + 1).join(" ")).flatMap((line) => firstCommands(line, nested + 1));
  }
  const script = words.find((word) => !word.startsWith("-") && !/^\/[a-z]$/i.test(word));
  return script === undefined ? [] : [script];
}

/** The commands of a shell's text, one array each; quotes are taken off, comments and line ends left out. */
export function wordsOf(text: string): Words[] {
  const lines: string[][] = [[]];
  // An unclosed quote extends to the end, so that the text is scanned once.
  const token =
    /\\\r?\n|"((?:[^"\\]|\\[^]?)*)(?:"|$)|'([^']*)(?:'|$)|(#[^\n]*)|([;&|(){}`\n]|\$\()|([^\s;&|(){}`"'#]+)/g;
  let joined = false;
  let end = -1;
  for (const match of text.matchAll(token)) {
    const [whole, double, single, comment, separator, plain] = match;
    joined = match.index === end;
    end = match.index + whole.length;
    if (comment !== undefined && !joined) continue;
    if (separator !== undefined) lines.push([]);
    const word = double ?? single ?? plain ?? (joined ? comment : undefined);
    const line = lines.at(-1)!;
    if (word === undefined) continue;
    if (joined && line.length > 0) line.push(line.pop()! + word);
    else line.push(word);
  }
  return lines.filter((line) => line.length > 0);
}
