import { assert, assertEquals } from "@std/assert";
import { COMMANDS } from "../lib/commands/commands.ts";
import { SETTINGS } from "../lib/config/settings.ts";
import { BUILTIN_TOOLS } from "../lib/tool/builtin/tools.ts";
import denoJson from "../deno.json" with { type: "json" };
import { readPages } from "./helpers/pages.ts";

const root = new URL("../", import.meta.url);

/** What `pattern` finds in the documentation and is not among `known`, with the page it stands on. */
async function unknown(pattern: RegExp, known: ReadonlySet<string>): Promise<string[]> {
  const found: string[] = [];
  let count = 0;
  for (const [path, text] of await readPages()) {
    for (const [, name] of text.matchAll(pattern)) {
      count++;
      if (!known.has(name!)) found.push(`${path}: ${name}`);
    }
  }
  assert(count > 0);
  return found;
}

Deno.test("every task the documentation names is one", async () => {
  const known = new Set(Object.keys(denoJson.tasks));
  assertEquals(await unknown(/\b(?:deno|deno@[\d.]+) task ([a-z:]+)/g, known), []);
});

Deno.test("every command of exai-daemon the documentation names is one", async () => {
  assertEquals(await unknown(/`exai-daemon ([a-z-]+)[^`]*`/g, new Set(Object.keys(COMMANDS))), []);
});

Deno.test("the number of tools the documentation gives is theirs", async () => {
  const known = new Set([String(BUILTIN_TOOLS.length)]);
  assertEquals(await unknown(/\b(\d+) tools of (?:its|EXAI's) own/g, known), [], `there are ${[...known]}`);
});

Deno.test("every variable of EXAI's own the documentation names is a setting, or read where a comment says so", async () => {
  const settings = Object.values(SETTINGS).map(({ env }) => env);
  // Set by the daemon for those it starts, servers and headers helpers; read by the scripts of install/.
  const others = ["EXAI_VIA", "EXAI_INSTALL_DIR", "EXAI_ACCOUNT"];
  assertEquals(await unknown(/\b(EXAI_[A-Z][A-Z_]*[A-Z])\b/g, new Set([...settings, ...others])), []);
});

Deno.test("every file of the code the documentation names is there", async () => {
  const missing: string[] = [];
  for (const [path, text] of await readPages()) {
    for (const [, file] of text.matchAll(/`((?:lib|tests|tools)\/[\w/]+\.ts)`/g)) {
      const isTemplate = /\b(NAME|TOPIC)\b/.test(file!);
      const isThere = isTemplate || await Deno.stat(new URL(file!, root)).then(() => true, () => false);
      if (!isThere) missing.push(`${path}: ${file}`);
    }
  }
  assertEquals(missing, []);
});

Deno.test("every page, and every heading of one, that the documentation links to is there", async () => {
  const all = await readPages();
  const broken: string[] = [];
  for (const [path, text] of all) {
    for (const [, target, anchor] of text.matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g)) {
      const url = target === "" ? new URL(path, root) : new URL(target!, new URL(path, root));
      const linked = url.href.slice(root.href.length);
      const isThere = await Deno.stat(url).then(() => true, () => false);
      if (!isThere) broken.push(`${path}: ${target}`);
      else if (anchor && !headings(all.get(linked) ?? "").has(anchor)) {
        broken.push(`${path}: ${target}#${anchor}`);
      }
    }
  }
  assertEquals(broken, []);
});

Deno.test("the README can be read in one go", async () => {
  const { size } = await Deno.stat(new URL("README.md", root));
  assert(size <= 8 * 1024, `it has ${size} bytes`);
});

/** The anchors of a page's headings, as GitHub makes them. */
function headings(text: string): Set<string> {
  const lines = text.replaceAll(/^```[\s\S]*?^```$/gm, "").matchAll(/^#+ (.+)$/gm);
  return new Set(
    Array.from(
      lines,
      ([, title]) => title!.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-"),
    ),
  );
}
