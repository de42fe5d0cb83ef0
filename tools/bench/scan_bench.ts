/**
 * The reader of messages against JSON.parse, and the ways it could skip a string. `deno bench tools/bench/scan_bench.ts`; as
 * in a process without a compiler with `--v8-flags=--jitless`.
 */
import { scanJson } from "../../lib/wire/json_scan.ts";
import { readClientText } from "../../lib/wire/raw_reader.ts";

const LIMITS = { depth: 512, members: 100_000 };
const isLookedInto = (name: string) => name === "params" || name === "result";

/** As it comes from a decoder: in one piece. */
function flat(text: string): string {
  return JSON.parse(JSON.stringify(text));
}

function answer(result: unknown): string {
  return flat(JSON.stringify({ jsonrpc: "2.0", id: 1, result }));
}

const textOf = (text: string) => answer({ content: [{ type: "text", text }] });
const SCHEMA = { type: "object", properties: { path: { type: "string", description: "the path" } } };
const TOOLS = Array.from({ length: 100 }, (_, i) => ({
  name: `tool_${i}`,
  description: "Reads a file from the disk and returns it as text. ".repeat(4),
  inputSchema: SCHEMA,
}));

const MESSAGES: Readonly<Record<string, string>> = {
  "small call": flat(
    '{"jsonrpc":"2.0","id":12,"method":"tools/call","params":{"name":"echo","arguments":{"message":"hello"}}}',
  ),
  "100 tools": answer({ tools: TOOLS }),
  "20,000 numbers": answer({ structuredContent: { n: Array.from({ length: 20_000 }, (_, i) => i * 1.37) } }),
  "100 KB text": textOf("x".repeat(100_000)),
  "5 MB text": textOf("x".repeat(5_000_000)),
  "5 MB code": textOf('function f(a, b) {\n\treturn "x" + a;\n}\n'.repeat(125_000)),
  "5 MB two-byte text": textOf("é–x".repeat(1_600_000)),
};

for (const [group, text] of Object.entries(MESSAGES)) {
  Deno.bench("scan", { group }, () => void scanJson(text, LIMITS, isLookedInto));
  Deno.bench("scan, and make a message", { group }, () => void readClientText(text, LIMITS));
  Deno.bench("JSON.parse", { group, baseline: true }, () => void JSON.parse(text));
  Deno.bench("JSON.parse and stringify", { group }, () => void JSON.stringify(JSON.parse(text)));
}

// deno-lint-ignore no-control-regex -- what a string may not hold
const PLAIN = /"[^"\\\x00-\x1f]*"/y;

/** Ways to find the end of a string and see that it is valid; those of `json_scan.ts` are the first, and the second for long ones. */
const WAYS: Readonly<Record<string, (text: string) => number>> = {
  "a loop over charCodeAt"(text) {
    for (let at = 1;; at++) {
      const code = text.charCodeAt(at);
      if (code === 0x22 || code === 0x5c || !(code >= 0x20)) return at;
    }
  },
  "indexOf the quote, and JSON.parse of the string"(text) {
    const end = text.indexOf('"', 1);
    JSON.parse(text.slice(0, end + 1));
    return end;
  },
  "a sticky regular expression"(text) {
    PLAIN.lastIndex = 0;
    PLAIN.test(text);
    return PLAIN.lastIndex;
  },
};

const STRINGS: Readonly<Record<string, string>> = {
  "a string of 10": "x".repeat(10),
  "a string of 100": "x".repeat(100),
  "a string of 1000": "x".repeat(1000),
  "a string of 5 million": "x".repeat(5_000_000),
  "a two-byte string of 5 million": "é–".repeat(2_500_000),
};

for (const [group, content] of Object.entries(STRINGS)) {
  const text = flat(`"${content}", 1`);
  for (const [name, way] of Object.entries(WAYS)) Deno.bench(name, { group }, () => void way(text));
}
