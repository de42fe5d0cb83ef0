const CANDIDATES = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/** The browser on this machine; undefined where there is none. */
export function findChromium(): string | undefined {
  for (const dir of (Deno.env.get("PATH") ?? "").split(":")) {
    for (const name of CANDIDATES) {
      try {
        if (Deno.statSync(`${dir}/${name}`).isFile) return `${dir}/${name}`;
      } catch {
        // Not here.
      }
    }
  }
  return undefined;
}

const QUIET = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export interface Visit {
  url: string;
  /** Names the browser takes for an address: `name address`. */
  resolve?: string;
}

/** Opens a page in a headless browser that ends with `await using`. */
export async function openInChromium(program: string, visit: Visit): Promise<AsyncDisposable> {
  const profile = await Deno.makeTempDir({ prefix: "exai-chromium-" });
  const child = spawn(program, visit, { profile, more: ["--remote-debugging-port=0"] });
  child.stdout.cancel();
  return {
    async [Symbol.asyncDispose]() {
      try {
        Deno.kill(-child.pid, "SIGKILL");
      } catch {
        // It has ended by itself.
      }
      await child.status;
      await Deno.remove(profile, { recursive: true }).catch(() => {});
    },
  };
}

/** The text of the page a browser ends up on. */
export async function showInChromium(program: string, visit: Visit): Promise<string> {
  const profile = await Deno.makeTempDir({ prefix: "exai-chromium-" });
  const child = spawn(program, visit, { profile, more: ["--dump-dom"] });
  const text = await new Response(child.stdout).text();
  await child.status;
  await Deno.remove(profile, { recursive: true }).catch(() => {});
  return text;
}

function spawn(program: string, { url, resolve }: Visit, how: { profile: string; more: string[] }) {
  return new Deno.Command(program, {
    args: [
      ...QUIET,
      `--user-data-dir=${how.profile}`,
      ...how.more,
      ...(resolve ? [`--host-resolver-rules=MAP ${resolve}`] : []),
      url,
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
    // With the processes it starts, so that all end with it.
    detached: true,
  }).spawn();
}
