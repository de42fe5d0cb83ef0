import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { ExaiError } from "../lib/base/errors.ts";
import { RotatingFile } from "../lib/state/rotating_file.ts";
import { ensureStateDir, StateFiles, writePrivateFile } from "../lib/state/state_files.ts";
import { statePaths } from "../lib/config/paths.ts";

const onUnix = Deno.build.os !== "windows";

async function inTempDir(use: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await use(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

function namesIn(dir: string): string[] {
  return [...Deno.readDirSync(dir)].map(({ name }) => name).sort();
}

function modeOf(path: string): number {
  return Deno.statSync(path).mode! & 0o777;
}

Deno.test(
  "the state directory and everything in it are private to the user",
  { ignore: !onUnix },
  () =>
    inTempDir(async (dir) => {
      const paths = statePaths({ home: join(dir, "deep", "home") });
      {
        await using files = await StateFiles.open(paths, { maxBytes: 1000 });
        files.appendMetrics("{}\n");
        await files.writeHealth("{}\n");
        assertEquals(files.faults(), []);
      }
      assertEquals(namesIn(paths.home), ["health.json", "metrics.jsonl"]);
      assertEquals([paths.home, paths.health, paths.metrics].map(modeOf), [0o700, 0o600, 0o600]);
    }),
);

Deno.test(
  "an empty directory open to others is closed to them",
  { ignore: !onUnix },
  () =>
    inTempDir(async (home) => {
      await Deno.chmod(home, 0o755);
      await ensureStateDir(statePaths({ home }));
      assertEquals(modeOf(home), 0o700);
    }),
);

Deno.test(
  "a shared directory of other things is refused and left as it is",
  { ignore: !onUnix },
  () =>
    inTempDir(async (home) => {
      await Deno.writeTextFile(join(home, "somebody's"), "");
      await Deno.chmod(home, 0o755);
      const error = await assertRejects(() => ensureStateDir(statePaths({ home })), ExaiError, "EXAI_HOME");
      assertEquals(error.code, "CONFIG");
      assertEquals(modeOf(home), 0o755);
    }),
);

const isRoot = onUnix && Deno.uid() === 0;

Deno.test(
  "a state directory of another user is refused",
  { ignore: !isRoot },
  () =>
    inTempDir(async (home) => {
      await Deno.chown(home, 12345, 12345);
      await assertRejects(() => ensureStateDir(statePaths({ home })), ExaiError, "belongs to user 12345");
    }),
);

Deno.test("a state directory that is a file is refused with what to do", () =>
  inTempDir(async (dir) => {
    const home = join(dir, "file");
    await Deno.writeTextFile(home, "");
    await assertRejects(() => ensureStateDir(statePaths({ home })), ExaiError, "EXAI_HOME");
  }));

Deno.test("whoever reads a replaced file sees one whole text, and nothing is left beside it", () =>
  inTempDir(async (dir) => {
    const path = join(dir, "health.json");
    const texts = ["a", "b"].map((letter) => letter.repeat(100_000));
    await writePrivateFile(path, texts[0]!);
    let done = false;
    const writing = Promise.all(
      Array.from({ length: 50 }, (_, n) => writePrivateFile(path, texts[n % 2]!)),
    ).finally(() => done = true);
    while (!done) assert(texts.includes(await Deno.readTextFile(path)));
    await writing;
    assertEquals(namesIn(dir), ["health.json"]);
  }));

Deno.test("a failed replacement leaves the old text and nothing beside it", () =>
  inTempDir(async (dir) => {
    await Deno.mkdir(join(dir, "taken"));
    await assertRejects(() => writePrivateFile(join(dir, "taken"), "text"));
    assertEquals(namesIn(dir), ["taken"]);
  }));

Deno.test("an appended file is put aside at its size, and no line of the kept ones is torn or lost", () =>
  inTempDir(async (dir) => {
    const path = join(dir, "metrics.jsonl");
    {
      await using file = new RotatingFile(path, { maxBytes: 100, maxOldFiles: 2 });
      for (let n = 100; n < 120; n++) {
        file.append(`{"line":${n}}\n`);
        await file.flush();
      }
    }
    assertEquals(namesIn(dir), ["metrics.jsonl", "metrics.jsonl.1", "metrics.jsonl.2"]);
    const files = namesIn(dir).reverse().map((name) => Deno.readTextFileSync(join(dir, name)));
    for (const text of files) assert(text.length <= 100, `${text.length} bytes`);
    const lines = files.join("").trimEnd().split("\n").map((line) => JSON.parse(line).line);
    assertEquals(lines, Array.from(lines, (_, n) => 120 - lines.length + n));
  }));

Deno.test("a line that comes after dispose is not written", () =>
  inTempDir(async (dir) => {
    const file = new RotatingFile(join(dir, "log"), { maxBytes: 100, delayMs: 1 });
    file.append("before\n");
    await file[Symbol.asyncDispose]();
    await Deno.remove(join(dir, "log"));
    file.append("after\n");
    await file.flush();
    assertEquals(namesIn(dir), []);
  }));

Deno.test("a burst of lines is written in order and none is lost", () =>
  inTempDir(async (dir) => {
    const path = join(dir, "burst");
    {
      await using file = new RotatingFile(path, { maxBytes: 10_000_000 });
      for (let n = 0; n < 20_000; n++) file.append(`${n}\n`);
    }
    assertEquals(await Deno.readTextFile(path), Array.from({ length: 20_000 }, (_, n) => `${n}\n`).join(""));
  }));

Deno.test("a place that cannot be written to is told of once, loses nobody's call, and heals by itself", () =>
  inTempDir(async (dir) => {
    const told: (string | undefined)[] = [];
    const gone = join(dir, "gone");
    await using file = new RotatingFile(join(gone, "log"), {
      maxBytes: 100,
      onFault: (fault) => told.push(fault),
    });
    for (let n = 0; n < 3; n++) {
      file.append("lost\n");
      await file.flush();
    }
    assertEquals(told.length, 1);
    assert(file.fault?.endsWith("; 3 lines lost"), file.fault);
    await Deno.mkdir(gone);
    file.append("kept\n");
    await file.flush();
    assertEquals([told.length, told[1], file.fault], [2, undefined, undefined]);
    assertEquals(await Deno.readTextFile(join(gone, "log")), "kept\n");
  }));

Deno.test("a health file that cannot be written is a fault until it can", () =>
  inTempDir(async (dir) => {
    const paths = statePaths({ home: join(dir, "home") });
    await using files = await StateFiles.open(paths, { maxBytes: 1000 });
    await Deno.mkdir(paths.health);
    await files.writeHealth("{}");
    await files.writeHealth("{}");
    assert(files.faults()[0]?.includes("health.json cannot be written"), String(files.faults()));
    await Deno.remove(paths.health);
    await files.writeHealth("{}");
    assertEquals(files.faults(), []);
  }));
