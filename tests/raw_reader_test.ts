import { assertEquals } from "@std/assert";
import { READING_DOOR } from "../tools/fuzz/reading_door.ts";
import { fuzz } from "../tools/fuzz/run.ts";
import { type RawReading, readClientText, readServerText } from "../lib/wire/raw_reader.ts";

const SERVER = { server: "files" };

/** The text of the message in `reading`, or what else it is. */
function shown(reading: RawReading): string {
  if (reading.kind === "message") return reading.message.text;
  if (reading.kind === "invalid") return `invalid ${reading.idText}: ${reading.why}`;
  return reading.kind === "unreadable" ? reading.fault : reading.kind;
}

Deno.test("a message of a client that is irregular but valid keeps its numbers and strings", () => {
  const cases = [
    ['{"jsonrpc":"2.0","id":1.0,"method":"a","params":null}', '{"jsonrpc":"2.0","id":1.0,"method":"a"}'],
    [
      '{"jsonrpc":"2.0","id":1,"method":"a","params":{"cursor":null,"n":1.0,"_meta":null}}',
      '{"jsonrpc":"2.0","id":1,"method":"a","params":{"n":1.0}}',
    ],
    [
      '{"jsonrpc":"2.0","id":1,"method":"a","params":{"name":"x","n\\u0061me":"y","n":9007199254740993}}',
      '{"jsonrpc":"2.0","id":1,"method":"a","params":{"n\\u0061me":"y","n":9007199254740993}}',
    ],
    [
      '{"id":1,"jsonrpc":"2.0","id":2,"method":"a","params":{"n":1e2}}',
      '{"id":2,"jsonrpc":"2.0","method":"a","params":{"n":1e2}}',
    ],
    ['{"jsonrpc":"2.0","id":1,"result":{"a":1,"a":1.0}}', '{"jsonrpc":"2.0","id":1,"result":{"a":1.0}}'],
    [
      '{"jsonrpc":"2.0","id":9007199254740993,"error":{"code":1.0,"data":{"n":1.0},"x":1}}',
      '{"jsonrpc":"2.0","id":9007199254740993,"error":{"code":1.0,"message":"","data":{"n":1.0}}}',
    ],
    ['{"jsonrpc":"2.\\u0030","id":1,"method":"a","params":{"n":1.0}}'],
    [
      '{"jsonrpc":"2.0","id":1,"method":"ping","result":{"n":1.0}}',
      '{"jsonrpc":"2.0","id":1,"method":"ping"}',
    ],
    ['{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"m"}}'],
    // What is null elsewhere stays.
    ['{"jsonrpc":"2.0","id":1,"method":"a","params":{"arguments":{"cursor":null}}}'],
    ['{"jsonrpc":"2.0","id":1,"result":{"_meta":null}}'],
  ];
  for (const [text, expected = text] of cases) assertEquals(shown(readClientText(text!)), expected!);
});

Deno.test("an object that is no message is rejected under the id it came with", () => {
  const cases = {
    '{"jsonrpc":"1.0","id":9007199254740993,"method":"a"}': 'invalid 9007199254740993: jsonrpc must be "2.0"',
    '{"jsonrpc":"2.0","id":1.50,"method":"a"}': "invalid 1.50: id must be a string or a whole number",
    '{"jsonrpc":"2.0","id":"a\\u0062","method":1}': 'invalid "a\\u0062": method must be a string',
    '{"jsonrpc":"2.0","id":{},"method":"a"}': "invalid null: id must be a string or a whole number",
    '{"jsonrpc":"2.0","id":1,"method":"a","params":[1]}': "invalid 1: params must be an object",
    '{"jsonrpc":"2.0","id":1,"result":1}': "invalid 1: result must be an object",
    '{"op":"ping"}': 'invalid null: jsonrpc must be "2.0"',
    "[1]": "batch",
    "1": "value",
    "{": "syntax",
  };
  for (const [text, expected] of Object.entries(cases)) {
    assertEquals(shown(readClientText(text)), expected, text);
  }
  const op = readClientText('{"op":"call_tool","arguments":{"n":1.0},"op":"ping"}');
  if (op.kind !== "invalid") throw new Error("no op");
  assertEquals([op.object.get("op"), op.object.textOf("arguments")], ["ping", '{"n":1.0}']);
});

Deno.test("the messages of a batch are read one by one, as they came", () => {
  const first = '{"jsonrpc":"2.0","id":1.0,"method":"a"}';
  const reading = readClientText(` [${first} , 1,[${first}]] `);
  assertEquals(reading, { kind: "batch", texts: [first, "1", `[${first}]`] });
});

Deno.test("a message of any length is put on one line, whatever is in it", () => {
  for (const filler of ["", "é€😀", "\\ud800", "\ud800"].map((text) => text.repeat(5000))) {
    const text = (gap: string) =>
      `{"jsonrpc":"2.0",${gap}"id":1${gap},"method":"a","params":{"x":"${filler}\\n"}}`;
    assertEquals(shown(readClientText(text("\r\n\n\t"))), text("   \t"));
  }
});

Deno.test("of an array of any length no more is kept than a batch or a list of ids may hold", () => {
  const reading = readClientText(`[${"1,".repeat(200_000)}1]`);
  assertEquals(reading.kind === "batch" && reading.texts.length, 100_000);
  assertEquals(shown(readClientText(`[${"1,".repeat(200_000)}1`)), "syntax");
});

Deno.test("a malformed answer of a server is repaired with its numbers as they came", () => {
  const answer = (body: string) => `{"jsonrpc":"2.0","id":7,${body}}`;
  const cases = [
    ['{"id":7,"result":{"n":1.0}}', answer('"result":{"n":1.0}')],
    ['{"jsonrpc":"2.0","id":[7],"result":{"n":1.0}}', answer('"result":{"n":1.0}')],
    ['{"jsonrpc":"2.0","id":7,"result":{"n":1.0},"error":null}', answer('"result":{"n":1.0}')],
    ['{"jsonrpc":"2.0","id":7,"method":"a","result":{"n":1.0,"n":1e2}}', answer('"result":{"n":1e2}')],
    [
      '{"jsonrpc":"2.0","id":7,"error":{"code":1,"data":1.0}}',
      answer('"error":{"code":1,"message":"","data":1.0}'),
    ],
    [
      '{"jsonrpc":"2.0","id":7,"result":{"n":NaN,"m":-Infinity,"t":"NaN","x":1.0}}',
      answer('"result":{"n":null,"m":null,"t":"NaN","x":1.0}'),
    ],
    [
      '{"jsonrpc":"2.0","id":7,"result":1.0}',
      answer(
        '"error":{"code":-32603,"message":"server \\"files\\" sent a malformed answer: its result must be an object, and is 1","data":{"code":"INTERNAL","server":"files","malformed":true}}',
      ),
    ],
    ['{"jsonrpc":"2.0","method":"a","params":null}', '{"jsonrpc":"2.0","method":"a"}'],
    ['{"jsonrpc":"2.0","id":1,"method":"a","params":{"arguments":null}}'],
    ['{"level":"info"}', 'invalid null: jsonrpc must be "2.0"'],
    ["starting NaN", "syntax"],
  ];
  for (const [text, expected = text] of cases) assertEquals(shown(readServerText(text!, SERVER)), expected!);
  const unnamed = '{"jsonrpc":"2.0","result":{"n":1.0}}';
  assertEquals(
    shown(readServerText(unnamed, { ...SERVER, answers: "r" })),
    '{"jsonrpc":"2.0","id":"r","result":{"n":1.0}}',
  );
});

Deno.test("a text beyond the limits of its sender is not read", () => {
  const deep = (levels: number) =>
    `{"x":${"[".repeat(levels)}${"]".repeat(levels)},"y":"${" ".repeat(5000)}"}`;
  assertEquals(shown(readClientText(deep(512))), "depth");
  assertEquals(shown(readServerText(deep(512), SERVER)), 'invalid null: jsonrpc must be "2.0"');
  assertEquals(shown(readServerText(deep(4096), SERVER)), "depth");
  const wide = `{${Array.from({ length: 100_001 }, (_, i) => `"${i}":1`).join()}}`;
  assertEquals(shown(readClientText(wide)), "members");
  assertEquals(shown(readServerText(wide, SERVER)), 'invalid null: jsonrpc must be "2.0"');
});

// Ten million: deno task fuzz --only reading --frames 10000000.
Deno.test("every text is read just as JSON.parse reads it", async () => {
  const result = await fuzz(READING_DOOR, { frames: 2000, seed: 7 });
  assertEquals([result.frames, result.findings], [2000, []]);
});
