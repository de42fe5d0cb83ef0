/** A program that reads its text itself, with variables of its own. */
const SHELL = /(?:^|[/\\])(?:(?:ba|da|z|k|fi|a)?sh|cmd|powershell|pwsh)(?:\.exe)?$/i;

/** What says that a text follows which the program reads so. */
const SHELL_TEXT = /^(?:-[a-z]*c|\/[ckr]|-(?:command|encodedcommand))$/i;

/** Whether a shell reads the arguments and fills in its variables itself. */
export function isForShell(command: unknown, args: unknown): boolean {
  return typeof command === "string" && SHELL.test(command) && Array.isArray(args) &&
    args.some((arg) => typeof arg === "string" && SHELL_TEXT.test(arg));
}

/** Nothing that any shell takes for more than a letter, whether it stands in quotes or not; spaces are for quotes. */
const PLAIN = Deno.build.os === "windows"
  ? /^[\p{L}\p{M}\p{N} _.:@+=,~/\\-]*$/u
  : /^[\p{L}\p{M}\p{N} _.:@+=,~/%-]*$/u;

/** Whether a line of a shell means the same with `directory` in it: no part of it is run as a command. */
export function isPlainInShell(directory: string): boolean {
  return PLAIN.test(directory);
}
