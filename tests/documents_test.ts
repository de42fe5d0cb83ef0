import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { join } from "@std/path";
import type { Json } from "../lib/base/json.ts";
import { type DocumentLanguage, editDocument } from "../lib/documents/document.ts";
import { type FileImage, readFileImage, removeFile, replaceFile } from "../lib/documents/files.ts";
import { editJsonc, JSONC } from "../lib/documents/jsonc.ts";
import { TOML } from "../lib/documents/toml.ts";
import { YAML } from "../lib/documents/yaml.ts";

const isUnix = Deno.build.os !== "windows";

function edited(language: DocumentLanguage, text: string, edits: [(string | number)[], Json?][]): string {
  return editDocument(language, text, edits.map(([path, value]) => ({ path, value })));
}

Deno.test("an edit of JSONC keeps comments, order, tabs, line ends, byte order mark and trailing commas", () => {
  const text =
    '\uFEFF// mine\r\n{\r\n\t"z": [1, 2],\r\n\t/* kept */ "a": {\r\n\t\t"one": {}, // gone\r\n\t\t"two": { "x": 1 },\r\n\t},\r\n}\r\n';
  const result = edited(JSONC, text, [[["a", "new"], { command: "c", args: ["d"] }], [["a", "one"]]]);
  assertEquals(
    result,
    '\uFEFF// mine\r\n{\r\n\t"z": [1, 2],\r\n\t/* kept */ "a": {\r\n\t\t"two": { "x": 1 },\r\n\t\t"new": {\r\n\t\t\t"command": "c",' +
      '\r\n\t\t\t"args": ["d"]\r\n\t\t},\r\n\t},\r\n}\r\n',
  );
});

Deno.test("an edit of JSONC makes what is missing on the way, in an empty file too", () => {
  for (const text of ["", "\n", "{}", "// nothing yet\n{}\n"]) {
    const result = edited(JSONC, text || "{}", [[["mcpServers", "a"], { command: "x" }]]);
    const read = JSONC.read(result);
    assertEquals(JSON.stringify("value" in read && read.value), '{"mcpServers":{"a":{"command":"x"}}}');
  }
  assertEquals(editJsonc("", [{ path: ["a"], value: 1 }]), '{\n  "a": 1\n}\n');
  assertEquals(editJsonc('{"a":1}', [{ path: ["b", "c"], value: undefined }]), '{"a":1}');
});

Deno.test("items of a JSON array are changed by their index", () => {
  const text = '[\n  { "name": "a" },\n  { "name": "b" }\n]\n';
  assertEquals(edited(JSONC, text, [[[0]]]), '[\n  { "name": "b" }\n]\n');
});

const CONFIG = `# head
model = "o4" # fast

[mcp_servers.files] # the files
command = "npx"
args = ["-y",
  "server"] # two lines

[mcp_servers.files.env]
A = "1"

# about b
[mcp_servers."b c"]
url = "https://x"

[tui]
x = 1
`;

Deno.test("an edit of TOML takes a table out with its sub-tables, and nothing else", () => {
  assertEquals(
    edited(TOML, CONFIG, [[["mcp_servers", "files"]]]),
    '# head\nmodel = "o4" # fast\n\n# about b\n[mcp_servers."b c"]\nurl = "https://x"\n\n[tui]\nx = 1\n',
  );
});

Deno.test("an edit of TOML puts a table behind its siblings, with the line ends of the file", () => {
  const text = CONFIG.replaceAll("\n", "\r\n");
  const result = edited(TOML, text, [[["mcp_servers", "exai"], {
    command: 'C:\\x "y"',
    args: [],
    env: { "A B": "ü" },
  }]]);
  const added = [
    "",
    "[mcp_servers.exai]",
    'command = "C:\\\\x \\"y\\""',
    "args = []",
    "",
    "[mcp_servers.exai.env]",
    '"A B" = "ü"',
    "",
  ].join("\r\n");
  assertEquals(result, text.replace('url = "https://x"\r\n', `url = "https://x"\r\n${added}`));
});

Deno.test("TOML is edited in each of its shapes: inline, dotted, root, table, missing", () => {
  const shapes = [
    'mcp_servers = { a = { command = "x" }, b = { command = "y" } }\n',
    'mcp_servers.a.command = "x"\nmcp_servers.b.command = "y"\n',
    '[mcp_servers]\na = { command = "x" }\nb.command = "y"',
    '[mcp_servers.a]\ncommand = "x"\n[mcp_servers.b]\ncommand = "y"',
    '[mcp_servers]\n  [mcp_servers.b] # one\n  command = "y"\n  [mcp_servers.a]\n  command = "x"\n\n[z]\n',
  ];
  for (const text of shapes) {
    const gone = edited(TOML, text, [[["mcp_servers", "a"]]]);
    assertStringIncludes(gone, '"y"');
    edited(TOML, gone, [[["mcp_servers", "exai"], { command: "z", env: { A: "1" } }]]);
    edited(TOML, text, [[["mcp_servers", "exai"], { command: "z" }], [["mcp_servers", "a"]], [[
      "mcp_servers",
      "b",
    ]]]);
    edited(TOML, text, [[["mcp_servers", "a", "enabled"], false], [["top"], 1], [["deep", "er", "x"], [
      true,
    ]]]);
    edited(TOML, text, [[["mcp_servers", "a", "command"], "w"]]);
  }
  assertEquals(edited(TOML, "# c\n", [[["a", "b"], { c: 1 }]]), "# c\n\n[a.b]\nc = 1\n");
});

const GOOSE = `# mine
extensions:
  # the first
  developer:
    enabled: true   # yes
    type: builtin
  files:
    cmd: npx
    args: [ "-y", 'x' ]
    envs: {}
GOOSE_MODEL: gpt   # last
`;

Deno.test("an edit of YAML keeps the lines it does not concern", () => {
  assertEquals(
    edited(YAML, GOOSE, [[["extensions", "exai"], { cmd: "e", args: ["a: b"] }], [["extensions", "files"]]]),
    `# mine
extensions:
  # the first
  developer:
    enabled: true   # yes
    type: builtin
  exai:
    cmd: e
    args:
      - "a: b"
GOOSE_MODEL: gpt   # last
`,
  );
  const list = "mcpServers:\n  - name: a\n    command: x # c\n  - name: b\n    command: y\nmodels: []\n";
  assertEquals(
    edited(YAML, list, [[["mcpServers", 0]]]),
    "mcpServers:\n  - name: b\n    command: y\nmodels: []\n",
  );
  assertEquals(edited(YAML, "a: {}\r\n# c\r\nz: 1\r\n", [[["a", "b"], 1]]), "a: {b: 1}\r\n# c\r\nz: 1\r\n");
  for (const text of ["", "a: {b: 1}\n", "a:\n  b:\n    c: 1", "# only a comment\n", "a:\r\n  b: 1\r\n"]) {
    edited(YAML, text, [[["a", "new"], { x: [1] }]]);
    edited(YAML, text, [[["a", "b"]]]);
    edited(YAML, text, [[["list", 0], { name: "n" }]]);
  }
});

Deno.test("a text that is no document of its language is refused with its line", () => {
  const faults: [DocumentLanguage, string, number][] = [
    [JSONC, '{\n  "a": \n', 3],
    [TOML, "a = 1\nb = \n", 2],
    [TOML, "a = 1\na = 2\n", 2],
    [TOML, "[a]\nx = 1\n[a]\n", 3],
    [YAML, "a: 1\nb: [\n", 3],
    [YAML, "a: 1\na: 2\n", 2],
    [YAML, "a: *none\n", 1],
  ];
  for (const [language, text, line] of faults) {
    const read = language.read(text);
    assertEquals("reason" in read && read.line, line, `${text}: ${JSON.stringify(read)}`);
    assertThrows(() => editDocument(language, text, []), Error, "cannot be read");
  }
});

async function inTempDir(run: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await run(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("a file is replaced through a link, with its mode, and no file is left beside it", async () => {
  await inTempDir(async (dir) => {
    const [file, link] = [join(dir, "real.json"), join(dir, "link.json")];
    await Deno.writeTextFile(file, "{}", { mode: 0o640 });
    if (isUnix) await Deno.symlink("real.json", link);
    const path = isUnix ? link : file;
    await replaceFile(path, '{"a":1}', await readFileImage(path));
    assertEquals(await Deno.readTextFile(file), '{"a":1}');
    if (isUnix) {
      assertEquals((await Deno.lstat(link)).isSymlink, true);
      assertEquals((await Deno.stat(file)).mode! & 0o777, 0o640);
    }
    assertEquals((await Array.fromAsync(Deno.readDir(dir))).length, isUnix ? 2 : 1);
    await replaceFile(join(dir, "deep/er/new.json"), "{}", undefined);
    assertEquals(await Deno.readTextFile(join(dir, "deep/er/new.json")), "{}");
  });
});

Deno.test("a file that is read-only, locked, changed or there meanwhile is not replaced", async () => {
  await inTempDir(async (dir) => {
    const file = join(dir, "a.json");
    await Deno.writeTextFile(file, "1");
    const before: FileImage = (await readFileImage(file))!;
    await assertRejects(() => replaceFile(file, "2", undefined), Error, "changed by another program");
    await Deno.mkdir(`${file}.lock`);
    await assertRejects(() => replaceFile(file, "2", before), Error, "is being written by another program");
    await Deno.utime(`${file}.lock`, 0, 0);
    if (isUnix) {
      await Deno.chmod(file, 0o444);
      await assertRejects(() => replaceFile(file, "2", before), Error, "is read-only");
      await Deno.chmod(file, 0o644);
    }
    await Deno.writeTextFile(file, "3");
    await assertRejects(() => replaceFile(file, "2", before), Error, "changed by another program");
    await assertRejects(() => removeFile(before), Error, "changed by another program");
    assertEquals(await Deno.readTextFile(file), "3");
    await removeFile((await readFileImage(file))!);
    assertEquals(await readFileImage(file), undefined);
  });
});

Deno.test("a file in another encoding is refused, with the line where that shows", async () => {
  await inTempDir(async (dir) => {
    const file = join(dir, "a.json");
    await Deno.writeFile(file, new Uint8Array([0xff, 0xfe, 0x7b, 0, 0x7d, 0]));
    await assertRejects(() => readFileImage(file), Error, "UTF-16");
    await Deno.writeFile(file, new Uint8Array([0x7b, 0x0a, 0x22, 0xfc, 0x22, 0x7d]));
    await assertRejects(() => readFileImage(file), Error, "line 2: holds a byte that is no UTF-8");
    assertEquals(await readFileImage(join(dir, "none")), undefined);
    assertEquals((await readFileImage(file).catch(() => undefined))?.text, undefined);
  });
});
