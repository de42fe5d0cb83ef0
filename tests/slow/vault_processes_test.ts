import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { statePaths } from "../../lib/config/paths.ts";
import { openUserVault } from "../../lib/state/user_vault.ts";
import { tempDir } from "../helpers/files.ts";
import { until } from "../helpers/until.ts";

const WRITER = fromFileUrl(new URL("../fixtures/vault_writer.ts", import.meta.url));
const ID = { resource: "https://mcp.example/mcp", name: "shared" };

/** A process that changes a vault, and what it has said so far. */
function startWriter(home: string, ...more: string[]) {
  const args = ["run", "-A", "--no-check", WRITER, home, ID.name, ...more];
  const child = new Deno.Command(Deno.execPath(), { args, stdout: "piped", stderr: "inherit" }).spawn();
  const said: number[] = [];
  const reading = (async () => {
    let text = "";
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const lines = text.split("\n");
      text = lines.pop()!;
      said.push(...lines.map(Number));
    }
  })();
  return { child, said, reading };
}

Deno.test("six processes that change one account at once lose none of their changes", async () => {
  await using dir = await tempDir({});
  const writers = Array.from({ length: 6 }, () => startWriter(dir.path, "15"));
  for (const { child, reading } of writers) {
    assert((await child.status).success);
    await reading;
  }
  const said = writers.flatMap(({ said }) => said).sort((a, b) => a - b);
  assertEquals(said, Array.from({ length: 90 }, (_, n) => n + 1), "each change was made on the one before");
  const { credentials } = openUserVault({ paths: statePaths({ home: dir.path }) });
  assertEquals((await credentials.read(ID))?.expiresAtMs, 90);
});

Deno.test("a process that is killed at any moment loses nothing that it said was kept", async () => {
  await using dir = await tempDir({});
  const paths = statePaths({ home: dir.path });
  const notes: string[] = [];
  let last = 0;
  for (let round = 0; round < 12; round++) {
    const { child, said, reading } = startWriter(dir.path);
    await until("it changes the vault", () => said.length > 3 || undefined, 20_000);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 25));
    child.kill("SIGKILL");
    await child.status;
    await reading;
    const { credentials } = openUserVault({ paths, onQuarantine: (note) => notes.push(note) });
    const kept = (await credentials.read(ID))?.expiresAtMs ?? 0;
    assert(kept >= said.at(-1)! && kept <= said.at(-1)! + 1, `${kept} is kept, ${said.at(-1)} was said`);
    assert(kept > last);
    last = kept;
  }
  assertEquals(notes, []);
  const names = (await Array.fromAsync(Deno.readDir(dir.path), ({ name }) => name)).sort();
  assertEquals(names.filter((name) => !name.endsWith(".tmp")), [
    "account_locks",
    "vault.jwe",
    "vault.key",
    "vault.lock",
  ]);
  assert(names.length <= 5, "what killed processes leave half-written does not pile up");
});
