// How the page looks to those who have magnified it, have chosen their own colours, or read foreign names in it.
import { assert, assertEquals } from "@std/assert";
import { FakeWatch, smallDay } from "../helpers/fake_watch.ts";
import { browserTest, visitPage } from "../helpers/page_visit.ts";
import { sessionRow } from "../helpers/watch_rows.ts";

browserTest(
  "with colours of the person's own, the chosen cell and part are told from the others",
  async () => {
    await using fake = new FakeWatch();
    fake.begin = smallDay();
    await visitPage(fake.url, {}, async ({ page, faults }) => {
      await page.emulateMedia({ forcedColors: "active" });
      await page.locator(".at").waitFor();
      const styleOf = (selector: string, name: string) =>
        page.evaluate(`getComputedStyle(document.querySelector(${JSON.stringify(selector)}))["${name}"]`);
      assertEquals(await styleOf(".at", "outlineStyle"), "solid");
      assertEquals(
        await styleOf("nav a:not([aria-current])", "borderBottomColor"),
        await styleOf("body", "backgroundColor"),
        "a line below a part that is not shown",
      );
      assertEquals(faults, []);
    });
  },
);

browserTest("magnified fourfold, several lines of the matrix are seen at once", async () => {
  await using fake = new FakeWatch();
  fake.begin = smallDay();
  await visitPage(fake.url, { width: 320, height: 200 }, async ({ page, faults }) => {
    await page.locator(".at").waitFor();
    const seen = await page.evaluate<number>(`(() => {
      const { bottom } = document.querySelector(".grid").getBoundingClientRect();
      return [...document.querySelectorAll(".line")]
        .filter((line) => line.getBoundingClientRect().bottom <= bottom).length;
    })()`);
    assert(seen >= 3, `${seen} lines are seen`);
    assertEquals(faults, []);
  });
});

browserTest("a name that turns the direction of text leaves what stands after it as it is", async () => {
  await using fake = new FakeWatch();
  fake.begin = smallDay();
  const turned = "\u202egnitirw";
  fake.begin.push({
    type: "sessions",
    at_ms: 2,
    whole: false,
    gone: [],
    rows: {
      turned: { ...sessionRow("turned"), window: "400", client: turned, cwd: "/home/ana/shop" },
      nameless: { ...sessionRow("nameless"), window: "500", client: " ", cwd: "/home/ana/site" },
    },
  });
  await visitPage(fake.url, {}, async ({ page, faults }) => {
    await page.getByText("\\u202egnitirw shop", { exact: true }).waitFor();
    await page.getByText("no name given site", { exact: true }).waitFor();
    const html = await page.content();
    assert(!html.includes("\u202e"), "also not in what is said of a place");
    assertEquals(faults, []);
  });
});
