import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { fromFileUrl, toFileUrl } from "@std/path";
import { sourceStamp, stamp } from "../tools/compile/stamp.ts";
import { SETTINGS } from "../lib/config/settings.ts";
import { newestUrl } from "../tools/release/project.ts";
import { tempDir } from "./helpers/files.ts";

const root = fromFileUrl(new URL("..", import.meta.url));
const BUILT = { commit: "0123456789abcdef0123456789abcdef01234567", committedAt: "2026-11-27T16:00:00Z" };

/** What a program prints that has the version of `file`. */
async function versionIn(file: string): Promise<string> {
  const module = JSON.stringify(toFileUrl(file).href);
  const code =
    `import { describeVersion, RELEASES } from ${module}; console.log(describeVersion() + RELEASES);`;
  const command = new Deno.Command(Deno.execPath(), { args: ["eval", code], env: { NO_COLOR: "1" } });
  const { stdout } = await command.output();
  return new TextDecoder().decode(stdout).trim();
}

Deno.test("a program says the commit it was built from, and one from source its version alone", async () => {
  await using dir = await tempDir({});
  const file = `${dir.path}/version.ts`;
  await Deno.copyFile(`${root}/lib/base/version.ts`, file);
  await stamp([file], undefined);
  const unstamped = await versionIn(file);
  assertMatch(unstamped, /^\d+\.\d+\.\d+$/);
  await stamp([file], { ...BUILT, commit: `${BUILT.commit}-modified` });
  assertEquals(await versionIn(file), `${unstamped} (012345678-modified, 2026-11-27)`);
});

Deno.test("a program of a release knows where the newest one is named, and one from source asks nobody", async () => {
  await using dir = await tempDir({});
  const file = `${dir.path}/version.ts`;
  await Deno.copyFile(`${root}/lib/base/version.ts`, file);
  const releases = newestUrl("https://github.com/ada/exai");
  await stamp([file], { ...BUILT, releases });
  assert(
    (await versionIn(file)).endsWith(")https://github.com/ada/exai/releases/latest/download/release.json"),
  );
  assertEquals(SETTINGS.releasesUrl.fallback, "");
});

Deno.test("the stamp is put into the one file of a program that has the version, and missing it is an error", async () => {
  await using dir = await tempDir({});
  await dir.write("a.js", "x");
  await dir.write("b.js", 'v="@exai-commit@ @exai-commit-date@ @exai-releases@"');
  await stamp([`${dir.path}/a.js`, `${dir.path}/b.js`], BUILT);
  assertEquals(await Deno.readTextFile(`${dir.path}/b.js`), `v="${BUILT.commit} ${BUILT.committedAt} "`);
  const error = await assertRejects(() => stamp([`${dir.path}/a.js`], BUILT), Error);
  assertStringIncludes(error.message, "no place for the commit");
});

Deno.test("the commit of this repository is the one that is checked out", async () => {
  const built = await sourceStamp();
  // In an archive of the source there is none.
  if (built === undefined) return;
  assertMatch(built.commit, /^[0-9a-f]{40}(-modified)?$/);
  assertMatch(built.committedAt, /^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  assert(Date.parse(built.committedAt) <= Date.now() + 86_400_000);
});
