import { assertEquals } from "@std/assert";
import { bundlePage, PAGE_SCRIPT } from "../tools/page.ts";

/** What issue 18 lets the page add to the binary is 1 MB; this much is a sign that a package has grown. */
const MAX_PAGE_BYTES = 200 * 1024;

Deno.test("the script of the page is made of what is in lib/page/browser now", async () => {
  const dir = await Deno.makeTempDir();
  const bytes = await bundlePage(`${dir}/page.js`);
  const isCurrent = await Deno.readTextFile(`${dir}/page.js`) === await Deno.readTextFile(PAGE_SCRIPT);
  await Deno.remove(dir, { recursive: true });
  assertEquals(isCurrent, true, "lib/page/assets/page.js is stale: run deno task page");
  assertEquals(bytes < MAX_PAGE_BYTES, true, `${bytes} bytes`);
});

Deno.test("the page names nothing outside of the daemon, and puts no text in as markup", async () => {
  const files = ["page.html", "page.css"].map((name) => new URL(`../lib/page/${name}`, import.meta.url));
  for await (const { name } of Deno.readDir(new URL("../lib/page/browser/", import.meta.url))) {
    if (name.endsWith(".ts")) files.push(new URL(`../lib/page/browser/${name}`, import.meta.url));
  }
  for (const file of files) {
    const text = await Deno.readTextFile(file);
    assertEquals(
      /innerHTML|insertAdjacent|outerHTML|document\.write|\beval\(/.exec(text)?.[0],
      undefined,
      file.href,
    );
    assertEquals(
      /(?:src|href|url|import|fetch)\W{1,3}(?:https?:)?\/\/\w/.exec(text)?.[0],
      undefined,
      file.href,
    );
    assertEquals(/ style="/.exec(text)?.[0], undefined, `${file.href}: the policy of the page forbids it`);
  }
});
