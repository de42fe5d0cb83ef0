import { assertEquals } from "@std/assert";
import type { WatchEvent } from "../../lib/admin/watch_event.ts";
import { FakeWatch, smallDay } from "../helpers/fake_watch.ts";
import { browserTest, visitPage } from "../helpers/page_visit.ts";
import { hello, serverRow } from "../helpers/watch_rows.ts";

/** A line with one server of this name. */
function oneServer(name: string): WatchEvent {
  return { type: "servers", at_ms: 1, whole: true, gone: [], rows: { [name]: serverRow(name) } };
}

browserTest("a row that cannot be shown is told in its place, and all goes on with the next", async () => {
  await using fake = new FakeWatch();
  fake.begin = smallDay();
  await visitPage(fake.url, {}, async ({ page, faults }) => {
    await page.getByText("Live").waitFor();
    const odd = { ...oneServer("odd"), rows: { odd: { server: "odd", state: "running" } } };
    fake.tell(odd as unknown as WatchEvent);
    await page.getByText(/^Servers cannot be shown: /).waitFor();
    assertEquals(await page.getByText("Calls running").count(), 1, "other parts are there");
    await page.locator('nav a[href="#calls"]').click();
    await page.locator("#call-a1").waitFor();
    await page.locator('nav a[href="#matrix"]').click();
    fake.tell(oneServer("even"));
    await page.getByRole("rowheader", { name: "even" }).waitFor();
    assertEquals(await page.getByText(/cannot be shown/).count(), 0);
    fake.tell({ type: "notice", at_ms: 1 } as WatchEvent, oneServer("later"));
    await page.getByText(/^What is so now cannot be shown: /).waitFor();
    await page.getByRole("rowheader", { name: "later" }).waitFor();
    fake.tell({ type: "sessions", at_ms: 1 } as WatchEvent);
    await page.getByText(/a line of the daemon cannot be read\s+\(sessions: /).waitFor();
    await page.getByText("Live").waitFor();
    assertEquals(faults, []);
  });
});

browserTest("the page is loaded again when the daemon is of another version", async () => {
  const fake = new FakeWatch();
  const { port } = fake;
  await visitPage(fake.url, { path: "#logs" }, async ({ page }) => {
    await page.getByText("2.0.0 at").waitFor();
    await page.evaluate("window.isOld = true");
    await fake[Symbol.asyncDispose]();
    await using back = new FakeWatch(port);
    back.begin = [{ ...hello(), version: "2.1.0" }];
    await page.getByText("2.1.0 at").waitFor({ timeout: 20_000 });
    assertEquals(await page.evaluate("[window.isOld ?? null, location.hash]"), [null, "#logs"]);
  });
});

browserTest("an action that wants the token again leads to the form, while the stream is open", async () => {
  await using fake = new FakeWatch();
  [fake.begin, fake.token] = [smallDay(), "before"];
  await visitPage(fake.url, {}, async ({ page }) => {
    await page.getByLabel("Token").fill("before");
    await page.keyboard.press("Enter");
    await page.getByText("Live").waitFor();
    [fake.token, fake.session] = ["after", "two"];
    await page.getByRole("button", { name: "Reload configuration" }).click();
    await page.getByText("Not signed in.").waitFor();
    await page.getByLabel("Token").fill("after");
    await page.keyboard.press("Enter");
    await page.getByText("Live").waitFor();
  });
});

browserTest("only a page of the web is a link to sign in at, and what came of it is said", async () => {
  await using fake = new FakeWatch();
  fake.accounts = [{ server: "tracker", account: "ana", state: "login_required" }];
  const login = { login: "l1", server: "tracker", account: "ana", kind: "browser" };
  const expires_at = "2026-11-28T10:10:00.000Z";
  fake.login = { ...login, url: "javascript:window.wasRun=1", expires_at };
  const [first, second] = [Promise.withResolvers<Response>(), Promise.withResolvers<Response>()];
  fake.waited = first.promise;
  await visitPage(fake.url, { path: "#accounts" }, async ({ page, faults }) => {
    const button = page.getByRole("button", { name: "Sign in to tracker as ana" });
    const link = page.getByRole("link", { name: "Sign in to tracker" });
    await button.click();
    await page.getByText(/is no page of the web: javascript:/).waitFor();
    assertEquals(await page.locator("main a").count(), 0);
    fake.waited = second.promise;
    fake.login = { ...login, login: "l2", url: "https://example.com/a", expires_at };
    await button.click();
    await link.waitFor();
    assertEquals(await link.getAttribute("href"), "https://example.com/a");
    fake.accounts.push({ server: "other", account: "ana", state: "signed_in" });
    first.resolve(Response.json({ signed_in: true }));
    await page.getByRole("rowheader", { name: "other" }).waitFor();
    assertEquals(await link.count(), 1, "the other login goes on");
    second.resolve(Response.json({ error: { code: "X", message: "access denied" } }, { status: 502 }));
    await page.getByText(/^Not signed in to tracker: access denied/).waitFor();
    assertEquals(await link.count(), 0);
    assertEquals(faults.filter((fault) => !fault.includes("502")), []);
  });
});
