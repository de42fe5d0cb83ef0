/**
 * Builds a release into `dist/release/`: for each of the five systems an archive with both programs, the scripts that
 * install and uninstall them, documentation, licences and bill of materials; packages for npm; manifests for Homebrew, Scoop
 * and winget; checksums of all. What cannot be made is named, and the exit code is 1 then.
 */
import { parseArgs } from "@std/cli/parse-args";
import { dirname, fromFileUrl, join } from "@std/path";
import { formatBytes } from "../lib/base/units.ts";
import { sourceStamp } from "./compile/stamp.ts";
import { runTool, UsageError } from "./lib/run_tool.ts";
import { tarGz, zip } from "./release/archive.ts";
import { build } from "./release/build.ts";
import { bundledPackages, licenceTexts } from "./release/bundled_packages.ts";
import { archiveContents, installScript, installText, type MadeTexts } from "./release/contents.ts";
import type { Artifact } from "./release/manifests/data.ts";
import { homebrew } from "./release/manifests/homebrew.ts";
import { scoop } from "./release/manifests/scoop.ts";
import { winget } from "./release/manifests/winget.ts";
import { npmPackages, type SystemPrograms } from "./release/npm_packages.ts";
import { releaseFile } from "./release/release_file.ts";
import { archiveName, PROJECT, RELEASE_FILE, type ReleaseTarget, TARGETS } from "./release/project.ts";
import { repositoryUrl } from "./release/repository.ts";
import { sbom } from "./release/sbom.ts";

const DEADLINE_MS = 1_800_000;
const out = fromFileUrl(new URL("../dist/release", import.meta.url));

const HELP = `deno task release [--target NAME]... [--base NAME=PATH]... [--repository URL]

  --target NAME      only this system, as linux-x64; repeatable. All are: ${
  TARGETS.map(({ name }) => name).join(", ")
}
  --base NAME=PATH   the file to put the programs of this system on, in place of the one deno compile downloads.
                     DENORT_BIN names that of this machine's own system, and DENO the deno that fits it
  --repository URL   where it is published, as https://github.com/OWNER/NAME; otherwise what GitHub Actions says, or the
                     remote origin. Without one, install.sh downloads nothing, and there are no manifests

It ends with 1 when anything of a release is missing; each thing that is missing is named.`;

interface Options {
  targets: readonly ReleaseTarget[];
  bases: ReadonlyMap<string, string>;
  repository: string | undefined;
}

/** What was made, and what was not and why. */
interface Made {
  systems: SystemPrograms[];
  artifacts: Artifact[];
  notes: string[];
  missing: string[];
}

async function release(): Promise<void> {
  const options = await readOptions();
  if (options === undefined) return say(HELP);
  const { repository } = options;
  await Deno.remove(out, { recursive: true }).catch(() => {});
  await Deno.mkdir(out, { recursive: true });
  const built = await sourceStamp();
  const time = new Date(built?.committedAt ?? "2000-01-01T00:00:00Z");
  const packages = await bundledPackages();
  const texts: MadeTexts = {
    "THIRD-PARTY-LICENSES.txt": licenceTexts(packages, await installText("runtime-licences.txt")),
    "sbom.cdx.json": sbom({ packages, deno: Deno.version.deno, built, repository }),
  };
  const made: Made = { systems: [], artifacts: [], notes: [], missing: [] };
  for (const target of options.targets) await makeArchive(target, { ...options, texts, time, made });
  await write("THIRD-PARTY-LICENSES.txt", texts["THIRD-PARTY-LICENSES.txt"]);
  await write(`exai-${PROJECT.version}.sbom.cdx.json`, texts["sbom.cdx.json"]);
  for (const name of ["install.sh", "install.ps1"]) {
    await write(name, (await installScript(name, repository)).content);
  }
  await makeNpmPackages(made.systems, { repository, thirdParty: texts["THIRD-PARTY-LICENSES.txt"], time });
  await makeManifests(made, repository, built?.committedAt.slice(0, 10));
  if (repository) {
    await write(RELEASE_FILE, releaseFile({ artifacts: made.artifacts, built, repository }));
  }
  await writeChecksums();
  for (const note of made.notes) say(note);
  const others = TARGETS.filter((target) => !options.targets.includes(target)).map(({ name }) => name);
  if (others.length > 0) say(`not asked for: ${others.join(", ")}`);
  if (made.missing.length > 0) throw new Error(`the release is not whole\n${made.missing.join("\n")}`);
}

interface Making extends Options {
  texts: MadeTexts;
  time: Date;
  made: Made;
}

async function makeArchive(
  target: ReleaseTarget,
  { bases, repository, texts, time, made }: Making,
): Promise<void> {
  const built = await build(target, { base: bases.get(target.name), repository });
  if (built.state !== "built") {
    const what = built.state === "no base" ? "there is no base to put its programs on" : "it cannot be built";
    made.missing.push(`${target.name}: ${what}: ${built.why.replaceAll(/\s*\n\s*/g, " ")}`);
    return;
  }
  if (built.base === "given") made.notes.push(`${target.name}: on a base of yours, so not for others`);
  const { folder, file } = archiveName(target);
  const files = [...built.programs, ...await archiveContents(target, texts, repository)];
  const content = await (target.os === "win32" ? zip : tarGz)(files, { folder, time });
  await write(file, content);
  made.systems.push({ target, programs: built.programs });
  made.artifacts.push({ target, file, sha256: await sha256(content) });
}

async function makeNpmPackages(
  systems: readonly SystemPrograms[],
  { repository, thirdParty, time }: { repository: string | undefined; thirdParty: string; time: Date },
): Promise<void> {
  const texts = {
    launcher: await installText("npm/launch.cjs"),
    licence: await Deno.readTextFile(new URL("../LICENSE", import.meta.url)),
    thirdParty,
    repository,
  };
  for (const { name, files } of npmPackages(systems, texts)) {
    await write(`npm/${name}-${PROJECT.version}.tgz`, await tarGz(files, { folder: "package", time }));
  }
}

async function makeManifests(
  made: Made,
  repository: string | undefined,
  day: string | undefined,
): Promise<void> {
  if (repository === undefined) {
    made.missing.push(
      "manifests of Homebrew, Scoop and winget: no repository is known; name it with --repository",
    );
    return;
  }
  const data = { repository, artifacts: made.artifacts, day };
  for (const { path, text } of [homebrew, scoop, winget].flatMap((make) => make(data))) {
    await write(path, text);
  }
}

/** SHA256SUMS of what lies in the directory itself, as `sha256sum --check` reads it. */
async function writeChecksums(): Promise<void> {
  const names = (await Array.fromAsync(Deno.readDir(out))).filter(({ isFile }) => isFile).map(({ name }) =>
    name
  ).sort();
  const lines = await Promise.all(
    names.map(async (name) => `${await sha256(await Deno.readFile(join(out, name)))}  ${name}\n`),
  );
  await write("SHA256SUMS", lines.join(""));
}

async function sha256(content: Uint8Array): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", content as Uint8Array<ArrayBuffer>)).toHex();
}

async function write(name: string, content: string | Uint8Array): Promise<void> {
  const path = join(out, name);
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  await Deno.mkdir(dirname(path), { recursive: true });
  await Deno.writeFile(path, bytes);
  say(`${path}: ${formatBytes(bytes.length)}`);
}

async function readOptions(): Promise<Options | undefined> {
  const unknown: string[] = [];
  const { target, base, repository, help } = parseArgs(Deno.args, {
    string: ["target", "base", "repository"],
    collect: ["target", "base"],
    boolean: ["help"],
    unknown: (arg: string) => {
      unknown.push(arg);
      return false;
    },
  });
  if (unknown.length > 0) throw new UsageError(`${unknown[0]} is not known; --help lists what is`);
  if (help) return undefined;
  const bases = new Map((base as string[]).map((text) => baseOf(text)));
  const own = TARGETS.find(({ target }) => target === Deno.build.target);
  const ownBase = Deno.env.get("DENORT_BIN");
  if (own && ownBase && !bases.has(own.name)) bases.set(own.name, ownBase);
  const targets = target.length === 0 ? TARGETS : (target as string[]).map(targetOf);
  return { targets, bases, repository: await repositoryUrl(repository) };
}

function baseOf(text: string): [string, string] {
  const [name, path] = text.split(/=(.*)/s);
  if (!path) throw new UsageError(`--base needs NAME=PATH, as linux-x64=/path/to/denort: ${text}`);
  return [targetOf(name!).name, path];
}

function targetOf(text: string): ReleaseTarget {
  const found = TARGETS.find(({ name, target }) => name === text || target === text);
  if (found === undefined) {
    throw new UsageError(
      `there is no system ${text}; all are: ${TARGETS.map(({ name }) => name).join(", ")}`,
    );
  }
  return found;
}

function say(text: string): void {
  // deno-lint-ignore no-console -- a program of the command line speaks on it
  console.log(text);
}

await runTool(release, { name: "release", deadlineMs: DEADLINE_MS });
