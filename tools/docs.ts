// deno-lint-ignore-file no-console -- a program of the command line speaks on it
/**
 * Writes the generated parts of docs/: what stands between `<!-- generated: NAME -->` and
 * `<!-- end -->`, and the JSON Schemas of mcp.json, exai.json and clink.json. With `--check` it writes nothing and fails when a part is stale or a
 * JSON example does not parse.
 */
import { fromFileUrl, join } from "@std/path";
import { clinkJsonSchema } from "../lib/config/clink_file.ts";
import { serversJsonSchema } from "../lib/config/servers.ts";
import { settingsJsonSchema } from "../lib/config/settings_schema.ts";
import { TABLES } from "./tables.ts";

const root = fromFileUrl(new URL("..", import.meta.url));
const PART = /(<!-- generated: ([a-z ]+) -->\n)([\s\S]*?)(<!-- end -->)/g;
const JSON_EXAMPLE = /^```json\n([\s\S]*?)^```$/gm;
/** For completion in an editor: docs/servers.md, docs/settings.md. */
const SCHEMAS: Readonly<Record<string, () => unknown>> = {
  "docs/mcp.schema.json": serversJsonSchema,
  "docs/exai.schema.json": settingsJsonSchema,
  "docs/clink.schema.json": clinkJsonSchema,
};

/** The faults of all pages, each in a line; with `check` nothing is written. */
async function run(check: boolean): Promise<string[]> {
  const faults: string[] = [];
  for (const page of await pages()) {
    const before = await Deno.readTextFile(join(root, page));
    const filled = fill(before, (name) => faults.push(`${page}: there is no table "${name}"`));
    faults.push(...await settle(page, { before, after: await format(filled, "md"), check }));
    faults.push(...jsonFaults(before).map((fault) => `${page}: ${fault}`));
  }
  for (const [file, schema] of Object.entries(SCHEMAS)) {
    const before = await Deno.readTextFile(join(root, file)).catch(() => "");
    const after = await format(JSON.stringify(schema(), null, 2), "json");
    faults.push(...await settle(file, { before, after, check }));
  }
  return faults;
}

/** Writes `after`, or says that it is not what is there. */
async function settle(page: string, text: { before: string; after: string; check: boolean }) {
  if (text.before === text.after) return [];
  if (text.check) return [`${page} is stale: run deno task docs`];
  await Deno.writeTextFile(join(root, page), text.after);
  return [];
}

async function pages(): Promise<string[]> {
  const names = (await Array.fromAsync(Deno.readDir(join(root, "docs")))).map(({ name }) => name).sort();
  return ["README.md", ...names.filter((name) => name.endsWith(".md")).map((name) => `docs/${name}`)];
}

function fill(text: string, onUnknown: (name: string) => void): string {
  return text.replaceAll(PART, (whole, begin: string, name: string, _old: string, end: string) => {
    const table = TABLES[name];
    if (table === undefined) onUnknown(name);
    return table === undefined ? whole : `${begin}\n${table()}\n${end}`;
  });
}

/** What `deno fmt` makes of `text`, so that a page it accepts is one this program does not change. */
async function format(text: string, extension: "md" | "json"): Promise<string> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--ext", extension, "-"],
    cwd: root,
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  });
  await using child = command.spawn();
  const output = child.output();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
  const { success, stdout } = await output;
  if (!success) throw new Error("deno fmt failed");
  return new TextDecoder().decode(stdout);
}

function jsonFaults(text: string): string[] {
  return Array.from(text.matchAll(JSON_EXAMPLE), ([, example]) => {
    try {
      JSON.parse(example!);
      return [];
    } catch (thrown) {
      return [`a JSON example does not parse: ${(thrown as Error).message}\n${example}`];
    }
  }).flat();
}

if (import.meta.main) {
  const faults = await run(Deno.args.includes("--check"));
  for (const fault of faults) console.error(fault);
  if (faults.length > 0) Deno.exit(1);
}
