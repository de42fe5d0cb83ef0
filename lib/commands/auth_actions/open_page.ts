import { resolvedWithin } from "../../base/abort.ts";
import { SECOND_MS } from "../../base/units.ts";
import { hasDesktop } from "../../config/desktop.ts";
import { LoginFile } from "./login_file.ts";

/** The system's own program that opens a page in the person's browser, and its arguments. */
function opener(): readonly string[] {
  switch (Deno.build.os) {
    case "darwin":
      return ["open"];
    case "windows":
      // Not `cmd /c start`, which would run parts of the address.
      return ["rundll32", "url.dll,FileProtocolHandler"];
    default:
      return ["xdg-open"];
  }
}

const QUIET = { stdin: "null", stdout: "null", stderr: "null" } as const;

/** How soon a program says that it cannot open the page. */
const OPEN_MS = 2 * SECOND_MS;

/**
 * Opens the login at `url` in the browser of the person at this machine, by a file that leads on to it; what is returned
 * is to be disposed when the login ends. Undefined where that cannot be done: the person is then told the address. Never
 * throws.
 */
export async function openLogin(url: string, server: string): Promise<Disposable | undefined> {
  if (!hasDesktop()) return undefined;
  const file = LoginFile.create(url, server);
  if (file && await open(file.url)) return file;
  file?.[Symbol.dispose]();
  return undefined;
}

async function open(url: string): Promise<boolean> {
  const [program = "", ...args] = opener();
  try {
    const child = new Deno.Command(program, { args: [...args, url], ...QUIET }).spawn();
    child.unref();
    // Some run as long as the browser.
    const ended = await resolvedWithin(child.status, OPEN_MS);
    return ended?.success ?? true;
  } catch {
    return false;
  }
}
