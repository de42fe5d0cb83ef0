import { delay } from "@std/async/delay";
import { filesBelow } from "./files_below.ts";

/** How often the list of processes is read, ms. */
const WATCH_MS = 10;

/** A text in which a secret was found, and which. */
export interface Found {
  where: string;
  secret: string;
}

/** Collects what may not hold a secret, and searches it. */
export class Canaries {
  /** What was said, by who said it. */
  readonly #said = new Map<string, string[]>();
  /** Command lines and environments of processes, by pid and program. */
  readonly #processes = new Map<string, string>();

  say(where: string, text: string): void {
    this.#said.set(where, [...this.#said.get(where) ?? [], text]);
  }

  /** Watches the list of processes, of those that have `mark` in their command line or environment, until disposed. */
  watch(mark: string): AsyncDisposable {
    const stopped = new AbortController();
    const known = new Set<string>();
    const look = async () => {
      while (!stopped.signal.aborted) {
        await this.#lookAtProcesses(mark, known);
        await delay(WATCH_MS);
      }
    };
    const looking = look();
    return {
      async [Symbol.asyncDispose]() {
        stopped.abort();
        await looking;
      },
    };
  }

  async #lookAtProcesses(mark: string, known: Set<string>): Promise<void> {
    for (const { name } of Deno.readDirSync("/proc")) {
      if (!/^\d+$/.test(name)) continue;
      const read = (file: string) => Deno.readTextFile(`/proc/${name}/${file}`).catch(() => "");
      const commandLine = await read("cmdline");
      const id = `process ${name}: ${commandLine.replaceAll("\0", " ").slice(0, 300)}`;
      if (commandLine === "" || known.has(id)) continue;
      known.add(id);
      const environment = await read("environ");
      if (`${commandLine}\0${environment}`.includes(mark)) {
        this.#processes.set(id, `${commandLine}\0${environment}`);
      }
    }
  }

  /** How many processes were seen. */
  get processCount(): number {
    return this.#processes.size;
  }

  /**
   * Where any of `secrets` is, as it is or encoded: in what was said, in a process, or in a file below `dir`.
   *
   * @param mayHold whether it may be there
   */
  async find(
    dir: string,
    secrets: Readonly<Record<string, string>>,
    mayHold: (found: Found) => boolean = () => false,
  ): Promise<Found[]> {
    const searched = Object.entries(secrets).map(([name, secret]) => ({ name, forms: formsOf(secret) }));
    const found: Found[] = [];
    const search = (where: string, text: string) => {
      for (const { name, forms } of searched) {
        if (forms.some((form) => text.includes(form))) found.push({ where, secret: name });
      }
    };
    for (const [where, texts] of this.#said) search(where, texts.join("\n"));
    for (const [where, text] of this.#processes) search(where, text);
    for await (const path of filesBelow(dir)) {
      // Every byte as a character: databases too. A file may go while it is looked at.
      const bytes = await Deno.readFile(path).catch(() => new Uint8Array());
      search(`file ${path}`, new TextDecoder("latin1").decode(bytes));
    }
    return found.filter((one) => !mayHold(one));
  }
}

/** A secret as it may be written: in a URL, in a JSON, in the credentials of HTTP. */
function formsOf(secret: string): string[] {
  const bytes = new TextEncoder().encode(secret);
  const base64 = [0, 1, 2].map((offset) => {
    const shifted = new Uint8Array([...new Uint8Array(offset), ...bytes]).toBase64();
    // Without the characters that what is beside it has a part in.
    return shifted.slice(offset === 0 ? 0 : 4, -4);
  });
  return [...new Set([secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1), ...base64])];
}
