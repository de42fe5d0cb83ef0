import type { Environment } from "./inherited_variables.ts";

/** The systems that differ in the editor they come with. */
type EditorPlatform = typeof Deno.build.os;

/**
 * The command line of the user's editor, without the file: `VISUAL` before `EDITOR`, as other programs have it, then what
 * the system comes with.
 *
 * @param isThere whether a program of that name is on the `PATH`
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { editorCommand } from "./editor.ts";
 *
 * assertEquals(editorCommand({ EDITOR: "code --wait" }, "linux", () => true), ["code", "--wait"]);
 * assertEquals(editorCommand({ VISUAL: '"C:\\\\Program Files\\\\x.exe" -n' }, "windows", () => true), [
 *   "C:\\\\Program Files\\\\x.exe",
 *   "-n",
 * ]);
 * assertEquals(editorCommand({}, "windows", () => true), ["notepad.exe"]);
 * ```
 */
export function editorCommand(
  env: Environment,
  platform: EditorPlatform,
  isThere: (program: string) => boolean,
): string[] | undefined {
  const named = env.VISUAL?.trim() || env.EDITOR?.trim();
  if (named) return words(named);
  if (platform === "windows") return ["notepad.exe"];
  // Waits until the editor is closed.
  if (platform === "darwin") return ["open", "-W", "-t"];
  const found = ["sensible-editor", "nano", "vim", "vi"].find(isThere);
  return found === undefined ? undefined : [found];
}

/** The words of a command line; quotes hold a word with spaces together. */
function words(line: string): string[] {
  return Array.from(
    line.matchAll(/"([^"]*)"|'([^']*)'|\S+/g),
    ([whole, double, single]) => double ?? single ?? whole,
  );
}

/** The editor of this process's user; undefined where none is known. */
export function userEditor(): string[] | undefined {
  const path = (Deno.env.get("PATH") ?? "").split(":");
  const isThere = (program: string) =>
    path.some((dir) => {
      try {
        return dir !== "" && Deno.statSync(`${dir}/${program}`).isFile;
      } catch {
        return false;
      }
    });
  return editorCommand(Deno.env.toObject(), Deno.build.os, isThere);
}
