import { fromFileUrl } from "@std/path";
import { type Browser, chromium, type Page } from "playwright-core";
import { findChromium } from "./chromium.ts";

const program = findChromium();
const AXE = await Deno.readTextFile(fromFileUrl(new URL("axe.min.js", import.meta.resolve("axe-core"))));

/** The page of a daemon in a browser. */
export interface PageVisit {
  page: Page;
  /** What the console said that is no mere note, and requests that left the daemon. */
  faults: string[];
}

export interface PageLook {
  width?: number;
  height?: number;
  scheme?: "light" | "dark";
  /** What is opened; the page itself when left out. */
  path?: string;
}

/** A test with a browser, where there is one. */
export function browserTest(name: string, work: () => Promise<void>): void {
  // Processes and sockets of the browser are playwright's, which ends them.
  Deno.test({ name, ignore: program === undefined, sanitizeOps: false, sanitizeResources: false, fn: work });
}

/** A browser without a window; ended with `await using`. */
export async function launchBrowser(): Promise<Browser> {
  return await chromium.launch({ executablePath: program, args: ["--no-sandbox"] });
}

/** Opens the page at `url` in a browser of its own. */
export async function visitPage(
  url: string,
  look: PageLook,
  work: (visit: PageVisit) => Promise<void>,
): Promise<void> {
  await using browser = await launchBrowser();
  await visitIn(browser, { url, ...look }, work);
}

/** Opens the page in `browser`, as somebody who has never been there. */
export async function visitIn(
  browser: Browser,
  { url, path = "", width = 1280, height = 800, scheme = "light" }: PageLook & { url: string },
  work: (visit: PageVisit) => Promise<void>,
): Promise<void> {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme });
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  const faults: string[] = [];
  page.on("pageerror", (error) => faults.push(`error: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") faults.push(message.text());
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith("data:")) faults.push(request.url());
  });
  await page.goto(new URL(path, url).href);
  await work({ page, faults });
  await context.close();
}

/** What axe-core has against what is shown now. */
export async function axeFaults(page: Page): Promise<string[]> {
  await page.evaluate(`window.axe || (() => { ${AXE} })()`);
  return await page.evaluate(`axe.run(document, {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
  }).then(({ violations }) => violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => id + ": " + html.slice(0, 200) + " " + failureSummary)))`);
}
