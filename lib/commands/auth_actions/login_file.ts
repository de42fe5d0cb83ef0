import { toFileUrl } from "@std/path";
import { join } from "@std/path/join";
import { leadingPage } from "../../auth/leading_page.ts";
import { LOGIN_MS } from "../../auth/pending_login.ts";
import { userHome } from "../../config/paths.ts";

/** What asks a command to end; on Windows SIGHUP says that the window of the console is closed. */
const SIGNALS: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT", "SIGBREAK", "SIGHUP"]
  : ["SIGINT", "SIGTERM", "SIGHUP"];

const INTERRUPTED = 130;

/** What the names of the directories begin with. */
const PREFIX = "exai-login-";

/** The bits of a mode that give others any right. */
const OTHERS = 0o077;

/**
 * A page that leads the browser on to a login, in a directory that only the user can read: other users of the machine
 * see the arguments of every program, and whoever has the address of a login can sign in as himself. Removed when it is
 * disposed, and when a signal ends the program.
 */
export class LoginFile implements Disposable {
  readonly #dir: string;
  readonly #path: string;
  readonly #onSignal = () => {
    this[Symbol.dispose]();
    Deno.exit(INTERRUPTED);
  };

  private constructor(dir: string) {
    this.#dir = dir;
    this.#path = join(dir, "login.html");
  }

  /**
   * Undefined where no file can be kept from others.
   *
   * The directory is in that of the user and not hidden: browsers in a sandbox (snap, flatpak) read neither `/tmp` nor
   * hidden directories.
   *
   * @param home a directory; that of the user when left out
   */
  static create(url: string, server: string, home = userHome()): LoginFile | undefined {
    let file: LoginFile | undefined;
    removeLeft(home);
    try {
      file = new LoginFile(Deno.makeTempDirSync({ dir: home, prefix: PREFIX }));
      if (file.#isPrivate()) {
        Deno.writeTextFileSync(file.#path, leadingPage(url, server), { createNew: true, mode: 0o600 });
        for (const signal of SIGNALS) Deno.addSignalListener(signal, file.#onSignal);
        return file;
      }
    } catch {
      // A home that is missing, full or not to be written to.
    }
    file?.[Symbol.dispose]();
    return undefined;
  }

  /** The address of the page. */
  get url(): string {
    return toFileUrl(this.#path).href;
  }

  [Symbol.dispose](): void {
    for (const signal of SIGNALS) Deno.removeSignalListener(signal, this.#onSignal);
    try {
      Deno.removeSync(this.#dir, { recursive: true });
    } catch {
      // The user has removed it.
    }
  }

  /** Some file systems have no modes: others can then read what is on them. On Windows a home is its user's alone. */
  #isPrivate(): boolean {
    if (Deno.build.os === "windows") return true;
    const { mode, uid } = Deno.lstatSync(this.#dir);
    return uid === Deno.uid() && mode !== null && (mode & OTHERS) === 0;
  }
}

/** Removes what commands left that were killed; their logins have ended long since. */
function removeLeft(home: string): void {
  try {
    for (const { name, isDirectory } of Deno.readDirSync(home)) {
      if (!isDirectory || !name.startsWith(PREFIX)) continue;
      const dir = join(home, name);
      const { mtime } = Deno.lstatSync(dir);
      if (Date.now() - (mtime?.getTime() ?? Infinity) > 6 * LOGIN_MS) {
        Deno.removeSync(dir, { recursive: true });
      }
    }
  } catch {
    // It is worth nothing to anybody.
  }
}
