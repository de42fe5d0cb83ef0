import { assert, assertEquals, assertMatch } from "@std/assert";
import type { BrowserContext, Page } from "playwright-core";
import { defaultSettings } from "../../lib/config/load.ts";
import { pageCommand } from "../../lib/commands/page.ts";
import { outcomeOf } from "../helpers/command.ts";
import { testDaemon } from "../helpers/daemon.ts";
import { browserTest, launchBrowser } from "../helpers/page_visit.ts";

const TOKEN = "a-token-of-this-test-0123456789";

/** A server of somebody else at the same host, with what browsers have sent it. */
function neighbour() {
  const heard: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    heard.push(`${request.url}\n${JSON.stringify([...request.headers])}`);
    // A browser would ask for its icon with a Referer, which is its own address.
    const page = '<!doctype html><link rel="icon" href="data:,"><title>other</title>';
    return new Response(page, { headers: { "content-type": "text/html" } });
  });
  return { heard, url: `http://127.0.0.1:${server.addr.port}/`, end: () => server.shutdown() };
}

/** A signed-in page of a real daemon, and the link that has signed it in. */
async function signedIn(
  work: (at: { page: Page; context: BrowserContext; link: string; http: string }) => Promise<void>,
): Promise<void> {
  await using it = await testDaemon({ settings: { token: TOKEN } });
  const settings = defaultSettings({ home: it.home, port: Number(new URL(it.http).port), token: TOKEN });
  const { json } = await outcomeOf(pageCommand, [], { settings, switches: new Set(["print"]) });
  const { link } = json as { link: string };
  await using browser = await launchBrowser();
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  await page.goto(link);
  await page.getByText("Live").waitFor();
  await work({ page, context, link, http: it.http });
  await context.close();
}

browserTest(
  "a page is signed in by a code that is then nowhere, and stays so when it is loaded again",
  async () => {
    await signedIn(async ({ page, context, link, http }) => {
      const code = link.split("=")[1]!;
      const seen = String(
        await page.evaluate(
          "JSON.stringify([location.href, history.length, {...localStorage}, document.cookie])",
        ),
      );
      assertEquals(seen.includes(code), false, seen);
      assertEquals(await context.cookies(), []);
      await page.reload();
      await page.getByText("Live").waitFor();
      assertEquals(await page.getByText("Not signed in.").count(), 0);
      const other = await context.newPage();
      await other.goto(link);
      await other.getByText(/was used before, or is older/).waitFor();
      assertEquals(other.url(), http);
      // The address of another code, pasted where the page is open.
      await page.goto(`${http}#code=wrong`);
      await page.getByText("Live").waitFor();
      assertEquals(page.url(), http);
    });
  },
);

browserTest(
  "another server of the same host gets nothing from the browser, and its page can ask for nothing",
  async () => {
    const other = neighbour();
    await signedIn(async ({ page, context, http }) => {
      const key = String(await page.evaluate("sessionStorage.getItem('exai-session')"));
      assertMatch(key, /^[\w-]{43}$/);
      // Opened by the page itself, as by a link in it: Referer and all.
      const opened = context.waitForEvent("page");
      await page.evaluate(
        `{ const a = document.createElement("a"); a.href = "${other.url}"; a.target = "_blank";
      document.body.append(a); a.click(); }`,
      );
      const theirs = await opened;
      await theirs.waitForLoadState();
      assertEquals(other.heard.length >= 1, true);
      for (const heard of other.heard) {
        assertEquals([heard.includes(key), /cookie|referer|x-exai/i.test(heard)], [false, false], heard);
      }
      const asked = await theirs.evaluate(`(async () => {
      const ask = (init) => fetch("${http}status", init).then((response) => response.status, () => "refused");
      return [
        sessionStorage.getItem("exai-session"),
        await ask({ credentials: "include" }),
        await ask({ headers: { "x-exai-page": "${key}" } }),
      ];
    })()`);
      assertEquals(asked, [null, "refused", "refused"]);
    }).finally(other.end);
    assert(other.heard.length >= 1);
  },
);
