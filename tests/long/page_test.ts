import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Page } from "playwright-core";
import { FakeWatch, largeDay, MARKUP, smallDay } from "../helpers/fake_watch.ts";
import { axeFaults, browserTest, type PageLook, type PageVisit, visitPage } from "../helpers/page_visit.ts";
import { hello, serverRow } from "../helpers/watch_rows.ts";

/** Opens the page in a browser, over a stream that is made by the test. */
function visit(fake: FakeWatch, look: PageLook, work: (visit: PageVisit) => Promise<void>): Promise<void> {
  return visitPage(fake.url, look, work);
}

const TABS = ["matrix", "calls", "measured", "logs", "accounts"];

for (const [width, scheme] of [[1280, "light"], [1280, "dark"], [380, "light"], [380, "dark"]] as const) {
  browserTest(
    `each part of the page is without a fault for axe-core, ${width} pixels wide, ${scheme}`,
    async () => {
      await using fake = new FakeWatch();
      fake.begin = smallDay();
      const expires_at = "2026-11-28T22:10:00.000Z";
      fake.accounts = [
        { server: "tracker", account: "ana", state: "login_required", why: "the refresh token is revoked" },
        {
          server: "issues",
          account: "me",
          state: "signed_in",
          issuer: "https://login.example.com/a",
          expires_at,
        },
      ];
      await visit(fake, { width, scheme }, async ({ page, faults }) => {
        await page.getByText("Live").waitFor();
        for (const part of [...TABS, "help", "confirm"]) {
          await openPart(page, part);
          if (part === "logs") {
            fake.tell({ type: "log", at_ms: 1, lines: Array(80).fill("a line of a log ".repeat(12)) });
            await page.getByText("80 lines").waitFor();
          }
          if (part === "accounts") await page.getByRole("rowheader", { name: "tracker" }).waitFor();
          assertEquals(await axeFaults(page), [], part);
          const beyond = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
          assertEquals(beyond, 0, `${part} is too wide by ${beyond} pixels`);
        }
        assertEquals(faults, []);
      });
    },
  );
}

async function openPart(page: Page, part: string): Promise<void> {
  await page.keyboard.press("Escape");
  if (part === "help") await page.getByRole("button", { name: "Help" }).click();
  else if (part === "confirm") {
    await page.getByRole("navigation").getByText("Servers").click();
    await page.getByRole("button", { name: "Rotate token" }).click();
  } else {
    await page.locator(`nav a[href="#${part}"]`).click();
    if (part === "calls") await page.locator("#call-a2").click();
  }
  await page.waitForTimeout(100);
}

browserTest("names that are markup are shown as text, everywhere", async () => {
  await using fake = new FakeWatch();
  fake.begin = smallDay();
  fake.call = { id: "a2", tool: MARKUP, request: { name: MARKUP }, answer: { text: MARKUP } };
  await visit(fake, {}, async ({ page, faults }) => {
    for (const part of TABS) await openPart(page, part);
    await openPart(page, "calls");
    await page.getByLabel("Answered").waitFor();
    assertMatch(await page.getByLabel("Answered").innerText(), /<img src=x/);
    await openPart(page, "matrix");
    await page.getByRole("heading", { name: "<img src=x" }).waitFor();
    assertEquals(await page.evaluate("[window.wasRun ?? null, document.querySelectorAll('img').length]"), [
      null,
      0,
    ]);
    assertEquals(faults, []);
  });
});

browserTest(
  "a person restarts a server and cancels a call with the keyboard alone, and is asked before",
  async () => {
    await using fake = new FakeWatch();
    fake.begin = smallDay();
    await visit(fake, {}, async ({ page }) => {
      await page.getByText("Live").waitFor();
      await page.getByRole("grid").focus();
      for (const key of ["ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight"]) {
        await page.keyboard.press(key);
      }
      const label = await page.locator('[aria-selected="true"]').locator(".unseen").textContent();
      assertEquals(
        label,
        "files, claude-code shop: process 1, running, shared with 2 other sessions; 1 call waiting",
      );
      await page.keyboard.press("r");
      await page.getByRole("dialog", { name: "Restart files?" }).waitFor();
      for (const key of ["Escape", "Enter"]) {
        await page.keyboard.press(key);
        // Once it is closed it is there for a moment more, and no other is opened.
        await page.locator("dialog").waitFor({ state: "detached" });
        assertEquals(fake.posted, [], `${key} loses nothing, however long a key is held down`);
        await page.keyboard.press("r");
        await page.getByRole("dialog", { name: "Restart files?" }).waitFor();
      }
      for (const key of ["Tab", "Enter"]) await page.keyboard.press(key);
      await page.getByText("files is started again.").waitFor();
      await page.getByRole("button", { name: "Cancel read (a3)" }).press("Enter");
      await page.getByRole("dialog", { name: "Cancel read?" }).waitFor();
      for (const key of ["Tab", "Enter"]) await page.keyboard.press(key);
      await page.getByText("The call a3 is cancelled.").waitFor();
      assertEquals(fake.posted, ["/servers/restart?name=files", "/cancel?id=a3"]);
      await page.keyboard.press("/");
      await page.keyboard.type("login");
      await page.getByText("1 server, 3 windows").waitFor();
    });
  },
);

browserTest(
  "what was there stays with its age while the daemon is gone, and is live when it is back",
  async () => {
    const fake = new FakeWatch();
    fake.begin = smallDay();
    const { port } = fake;
    await visit(fake, {}, async ({ page }) => {
      await page.getByText("Live").waitFor();
      await fake[Symbol.asyncDispose]();
      await page.getByText(/Not connected: .*\. *What is shown is/s).or(page.getByText("Not connected"))
        .first().waitFor();
      await page.getByText(/What is shown is .* old/).waitFor();
      assertEquals(await page.getByRole("row").count(), 7, "what was there is there");
      await using back = new FakeWatch(port);
      back.begin = [
        { ...hello(), started_at: "2026-11-28T12:00:00.000Z" },
        { type: "servers", at_ms: 1, whole: true, gone: [], rows: { anew: serverRow("anew") } },
      ];
      await page.getByText("Live").waitFor({ timeout: 20_000 });
      await page.getByRole("rowheader", { name: "anew" }).waitFor();
      assertEquals(await page.getByRole("rowheader").count(), 1);
    });
  },
);

browserTest("the page asks for the token, keeps it nowhere, and goes on when it is right", async () => {
  await using fake = new FakeWatch();
  [fake.begin, fake.token] = [smallDay(), "the-right-token"];
  await visit(fake, {}, async ({ page }) => {
    await page.getByText("Not signed in.").waitFor();
    await page.getByLabel("Token").fill("wrong");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").waitFor();
    await page.getByLabel("Token").fill("the-right-token");
    await page.keyboard.press("Enter");
    await page.getByText("Live").waitFor();
    const kept = await page.evaluate(
      "JSON.stringify([location.href, document.cookie, {...localStorage}, {...sessionStorage}, document.body.outerHTML])",
    );
    assertEquals(String(kept).includes("the-right-token"), false);
  });
});

browserTest(
  "500 servers by 200 windows: only what is seen is drawn, and keys reach the last cell",
  async () => {
    await using fake = new FakeWatch();
    fake.begin = largeDay(500, 200);
    await visit(fake, {}, async ({ page }) => {
      await page.getByText("500 servers, 200 windows").waitFor();
      assert(await page.getByRole("gridcell").count() < 1500);
      await page.getByRole("grid").focus();
      await page.keyboard.press("Control+End");
      // What was chosen is drawn before what is around it.
      for (const cell of ["#cell-499-199", "#cell-490-195"]) await page.locator(cell).waitFor();
      await page.evaluate(COUNT_CHANGES);
      await page.keyboard.press("ArrowUp");
      await page.locator('#cell-498-199[aria-selected="true"]').waitFor();
      const changes = await page.evaluate("window.changes");
      assert(Number(changes) < 40, `${changes} changes of the page for one key`);
      for (let i = 0; i < 10; i++) await page.keyboard.press("PageUp");
      const selected = page.locator('[aria-selected="true"]');
      assertEquals(await selected.count(), 1);
      assert(await selected.isVisible());
      assert(await page.getByRole("gridcell").count() < 1500);
    });
  },
);

/** How much of the grid is changed, whatever the machine does besides. */
const COUNT_CHANGES = `
  window.changes = 0;
  new MutationObserver((changes) => { window.changes += changes.length; })
    .observe(document.querySelector(".grid"), { subtree: true, childList: true, attributes: true, characterData: true });
`;

browserTest("an answer of 5 MB is shown in part, and saved as a whole", async () => {
  await using fake = new FakeWatch();
  fake.begin = smallDay();
  fake.call = { id: "a1", tool: "read", request: {}, answer: { text: "x".repeat(5_000_000) } };
  await visit(fake, { path: "#calls" }, async ({ page, faults }) => {
    await page.locator("#call-a1").click();
    const answered = page.getByLabel("Answered");
    await page.getByRole("button", { name: "Show more" }).click();
    assertEquals((await answered.innerText()).length, 200_000);
    const download = page.waitForEvent("download");
    await page.getByRole("button", { name: "Save all as a file" }).click();
    assert((await Deno.stat(await (await download).path())).size > 5_000_000);
    assertEquals(faults, []);
  });
});
