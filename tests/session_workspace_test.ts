import { assertEquals } from "@std/assert";
import { toFileUrl } from "@std/path";
import type { Root } from "../lib/call/call.ts";
import { workspaceOf } from "../lib/upstream/sharing/working_directory.ts";
import { Window } from "./helpers/instance.ts";

/** Where servers run for a window with these roots, and what it was told. */
async function placed(uris: string[] | undefined, cwd: string | undefined = "/home/ada", window?: Window) {
  const ada = window ?? new Window("ada", {}, { cwd });
  const roots = uris?.map((uri): Root => ({ uri }));
  const where = await workspaceOf(ada.caller, roots);
  return { where, told: ada.heard.map(({ params }) => params), window: ada };
}

Deno.test("servers run in the first root that is a directory here, else in the window's own directory", async () => {
  const dir = await Deno.makeTempDir();
  const uri = toFileUrl(dir).href;
  assertEquals(await placed(undefined).then(({ where, told }) => [where, told]), ["/home/ada", []]);
  assertEquals(await placed([]).then(({ where, told }) => [where, told]), ["/home/ada", []]);
  assertEquals(await placed([uri, "file:///no/such"]).then(({ where, told }) => [where, told]), [dir, []]);
  await Deno.remove(dir);
});

Deno.test("which roots cannot be used is told to the window, why, and what is done instead", async () => {
  const dir = await Deno.makeTempDir();
  const file = `${dir}/file`;
  await Deno.writeTextFile(file, "");
  const [good, bad] = [toFileUrl(dir).href, toFileUrl(file).href];
  const { where, told } = await placed([bad, "file:///no/such", good]);
  assertEquals([where, told], [dir, [{
    level: "warning",
    logger: "exai",
    data: `this window's roots cannot be used: ${bad} (it is no directory); file:///no/such ` +
      `(there is no such directory here); so its servers run in ${dir}`,
  }]]);
  const none = await placed(["file:///no/such"]);
  assertEquals([none.where, none.told[0]!.data], [
    "/home/ada",
    "this window's roots cannot be used: file:///no/such (there is no such directory here); so its servers run in " +
    "/home/ada",
  ]);
  const nowhere = await placed(["file:///no/such"], undefined, new Window("bob"));
  assertEquals([nowhere.where, String(nowhere.told[0]!.data).split("; ").at(-1)], [
    undefined,
    "and has no working directory, so its servers run without one",
  ]);
  await Deno.remove(dir, { recursive: true });
});

Deno.test("a window is told once, and again when something else is wrong", async () => {
  const { window } = await placed(["file:///no/such"]);
  await placed(["file:///no/such"], "/home/ada", window);
  assertEquals(window.heard.length, 1);
  await placed(["file:///nor/this"], "/home/ada", window);
  assertEquals(window.heard.length, 2);
});

Deno.test("of many roots the first twenty are looked at, and of a long one its beginning is shown", async () => {
  const dir = await Deno.makeTempDir();
  const uri = toFileUrl(dir).href;
  const gone = (count: number) => Array.from({ length: count }, (_, n) => `file:///no/such/${n}`);
  assertEquals((await placed([...gone(19), uri])).where, dir);
  assertEquals((await placed([...gone(20), uri])).where, "/home/ada");
  const long = `file:///no/${"x".repeat(300)}`;
  const { told } = await placed([`${long}\x1b[2J`]);
  const text = String(told[0]!.data);
  assertEquals([text.includes(`: ${long.slice(0, 200)} (`), text.includes("\x1b")], [true, false], text);
  await Deno.remove(dir);
});
