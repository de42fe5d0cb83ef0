import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { jsonEscaped, visible, visibleJson, visibleLines } from "../lib/base/visible.ts";
import { formatTable } from "../lib/commands/table.ts";
import { HOSTILE, UNSEEN } from "./helpers/hostile_text.ts";

Deno.test("what cannot be seen is written out, on one line, and a long text is cut", () => {
  assertEquals(
    visible("a\x1b[31m\x9bb\x7f\n\u202e\u{e0041}"),
    "a\\x1b[31m\\x9bb\\x7f\\n\\u202e\\udb40\\udc41",
  );
  assert(!UNSEEN.test(visible(HOSTILE)) && !visible(HOSTILE).includes("\n"));
  assertEquals(visible("x".repeat(1000)).length, 201);
  assertEquals(visible("é ü 漢字 ❤️ 😀 e\u0301 \\n"), "é ü 漢字 ❤️ 😀 e\u0301 \\n", "what can be seen stays");
  assertEquals(visible(`z${"\u0301".repeat(100)}y`), `z${"\u0301".repeat(4)}…y`);
  assertEquals(visible("x".repeat(199) + "😀").at(-1), "…", "half of a pair is written out too");
  assertEquals(visibleLines("a\n\tb\r\u009b"), "a\n\tb\\r\\x9b");
});

Deno.test("JSON stays JSON and means the same", () => {
  const value = { [HOSTILE]: [HOSTILE, '\\ " \n'] };
  const text = visibleJson(value, 2);
  assert(!UNSEEN.test(text));
  assertEquals(JSON.parse(text), JSON.parse(JSON.stringify(value)));
  assertEquals(JSON.parse(jsonEscaped(JSON.stringify(value))), JSON.parse(JSON.stringify(value)));
});

Deno.test("a cell of a table is one line, and wide letters keep the columns straight", () => {
  const table = formatTable(["NAME", "N"], [["漢字", 1], [HOSTILE, 2], ["e\u0301", undefined]]).split("\n");
  assertEquals(table.length, 4);
  assertEquals(formatTable(["NAME", "N"], [["漢字", 1], ["abcd", 2]]), "NAME  N\n漢字  1\nabcd  2");
});

/** Files of lib that write to a terminal, and what of. */
const PRINTERS = new Map([
  ["app/program_io.ts", "everything the programs print"],
  ["state/log_files.ts", "the log, which is escaped where it is formatted"],
  ["commands/terminal.ts", "the progress of a command, escaped in commands/progress.ts"],
  ["commands/top/screen.ts", "the picture of top, whose texts are made visible in commands/top/paint.ts"],
  ["app/double_click.ts", "one sentence of its own"],
  ["transport/process_stdio.ts", "MCP on standard output, which is JSON for a program"],
]);

Deno.test("nothing prints but what writes out what cannot be seen", () => {
  const root = fromFileUrl(new URL("../lib/", import.meta.url));
  const printers = filesBelow(root).filter((path) =>
    /\bconsole\.|Deno\.std(out|err)\b|process\.std(out|err)\b/.test(
      Deno.readTextFileSync(path).replaceAll(/^\s*(\/\/|\*|\/\*).*$/gm, ""),
    )
  );
  assertEquals(printers.map((path) => path.slice(root.length)).toSorted(), [...PRINTERS.keys()].toSorted());
});

function filesBelow(dir: string): string[] {
  return [...Deno.readDirSync(dir)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesBelow(`${dir}${name}/`) : name.endsWith(".ts") ? [dir + name] : []
  );
}
