import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { parse as parseYaml } from "@std/yaml/parse";
import { unzipSync } from "fflate";
import { unpackTar } from "modern-tar";
// @ts-types="../tools/compile/pe_library.d.ts"
import { NtExecutable, NtExecutableResource } from "pe-library";
// @ts-types="../tools/compile/resedit.d.ts"
import { Resource } from "resedit";
import { gunzipSync } from "node:zlib";
import { withResources } from "../tools/compile/windows_resources.ts";
import { type ArchivedFile, tarGz, zip } from "../tools/release/archive.ts";
import { type BundledPackage, licenceTexts } from "../tools/release/bundled_packages.ts";
import { archiveContents } from "../tools/release/contents.ts";
import { drawIcon } from "../tools/release/draw_icon.ts";
import { systemOf } from "../tools/release/executable.ts";
import type { Artifact } from "../tools/release/manifests/data.ts";
import { homebrew } from "../tools/release/manifests/homebrew.ts";
import { scoop } from "../tools/release/manifests/scoop.ts";
import { winget } from "../tools/release/manifests/winget.ts";
import { archiveName, PROJECT, TARGETS } from "../tools/release/project.ts";
import { releaseFile } from "../tools/release/release_file.ts";
import { repositoryUrl } from "../tools/release/repository.ts";
import { sbom } from "../tools/release/sbom.ts";

const root = fromFileUrl(new URL("..", import.meta.url));
const REPOSITORY = "https://github.com/example/exai";
const TIME = new Date("2026-11-27T16:00:00Z");
const bytes = (text: string) => new TextEncoder().encode(text);
const text = (content: Uint8Array | ArrayBuffer | undefined) => new TextDecoder().decode(content);

Deno.test("a release is for five systems, and its version is that of the programs", () => {
  assertEquals(TARGETS.map(({ name }) => name), [
    "linux-x64",
    "linux-arm64",
    "macos-x64",
    "macos-arm64",
    "windows-x64",
  ]);
  assertMatch(PROJECT.version, /^\d+\.\d+\.\d+$/);
});

Deno.test("a program is known by its header, so that none is released for another system", async () => {
  const own = systemOf(await Deno.readFile(Deno.execPath()));
  assertEquals(own, {
    os: { windows: "win32", darwin: "darwin" }[Deno.build.os as string] ?? "linux",
    cpu: Deno.build.arch === "aarch64" ? "arm64" : "x64",
  });
  const header = (parts: Record<number, readonly number[]>) => {
    const file = new Uint8Array(512);
    for (const [at, values] of Object.entries(parts)) file.set(values, Number(at));
    return systemOf(file);
  };
  assertEquals(header({ 0: [0x7f, 0x45, 0x4c, 0x46], 18: [0xb7] }), { os: "linux", cpu: "arm64" });
  assertEquals(header({ 0: [0xcf, 0xfa, 0xed, 0xfe, 0x0c, 0, 0, 1] }), { os: "darwin", cpu: "arm64" });
  assertEquals(header({ 0: [0xcf, 0xfa, 0xed, 0xfe, 0x07, 0, 0, 1] }), { os: "darwin", cpu: "x64" });
  assertEquals(header({ 0: [0x4d, 0x5a], 0x3c: [64], 64: [0x50, 0x45, 0, 0, 0x64, 0x86] }), {
    os: "win32",
    cpu: "x64",
  });
  assertEquals(header({ 0: [0x4d, 0x5a], 0x3c: [64] }), undefined);
  assertEquals(header({ 0: [0x4d, 0x5a], 0x3c: [0xff, 0xff] }), undefined);
  assertEquals(systemOf(bytes("#!/bin/sh\n")), undefined);
});

const FILES: ArchivedFile[] = [
  { path: "exai-shim", content: bytes("program"), isProgram: true },
  { path: "docs/read me.md", content: bytes("text") },
];

Deno.test("an archive holds files as they are, programs executable, and is the same each time", async () => {
  const options = { folder: "exai-1", time: TIME };
  const archive = await tarGz(FILES, options);
  assertEquals(archive, await tarGz(FILES, options));
  const entries = await unpackTar(gunzipSync(archive));
  assertEquals(
    entries.map(({ header, data }) => [header.name, header.mode, header.uid, header.mtime, text(data)]),
    [
      ["exai-1/exai-shim", 0o755, 0, TIME, "program"],
      ["exai-1/docs/read me.md", 0o644, 0, TIME, "text"],
    ],
  );
  const zipped = zip(FILES, options);
  assertEquals(zipped, zip(FILES, options));
  assertEquals(Object.entries(unzipSync(zipped)).map(([name, data]) => [name, text(data)]), [
    ["exai-1/exai-shim", "program"],
    ["exai-1/docs/read me.md", "text"],
  ]);
});

Deno.test("the archive of each system has what installs and uninstalls there, and where it comes from", async () => {
  const made = { "THIRD-PARTY-LICENSES.txt": "l", "sbom.cdx.json": "{}" };
  for (const target of TARGETS) {
    const files = await archiveContents(target, made, REPOSITORY);
    const names = files.map(({ path }) => path);
    const scripts = target.os === "win32"
      ? ["install.ps1", "install.cmd", "uninstall.ps1", "uninstall.cmd"]
      : ["install.sh", "uninstall.sh"];
    assertEquals(names.filter((name) => name.includes("install") && !name.includes("/")), scripts);
    for (const name of ["LICENSE", "README.md", "docs/mcp.schema.json", ...Object.keys(made)]) {
      assert(names.includes(name), `${target.name}: ${name}`);
    }
    const install = files.find(({ path }) => /^install\.(sh|ps1)$/.test(path))!;
    assertMatch(text(install.content), new RegExp(`version ?= ?'${PROJECT.version}'`));
    assertStringIncludes(text(install.content), REPOSITORY);
    for (const { path, content } of files) {
      if (/^(un)?install\./.test(path)) assertEquals(/@\w+@/.exec(text(content)), null, path);
    }
  }
});

Deno.test("scripts for Windows are plain ASCII, and those of cmd have its line ends", async () => {
  for (const name of ["install.ps1", "uninstall.ps1", "install.cmd", "uninstall.cmd"]) {
    const script = await Deno.readTextFile(`${root}/install/${name}`);
    // Windows PowerShell reads a file without a mark in the code page of the machine.
    // deno-lint-ignore no-control-regex -- ASCII is meant
    assertMatch(script, /^[\x00-\x7f]*$/, name);
    if (name.endsWith(".cmd")) assertEquals(script.replaceAll("\r\n", "").match(/[\r\n]/), null, name);
  }
});

Deno.test("the icon is what is drawn", async () => {
  assertEquals(await Deno.readFile(`${root}/install/exai.ico`), drawIcon());
});

const DETAILS = {
  file: "exai-shim.exe",
  description: "EXAI shim",
  product: "EXAI",
  company: "The EXAI authors",
  copyright: "Copyright",
  version: "1.20.3",
  commit: "0123456789abcdef",
};

Deno.test("a Windows program gets icon and version, and the program inside it stays as it was", () => {
  const base = NtExecutable.createEmpty(false, false);
  const resources = NtExecutableResource.from(base);
  const payload = crypto.getRandomValues(new Uint8Array(65_533));
  resources.entries.push({ type: 10, id: "D3N0L4ND", lang: 0, bin: payload.buffer });
  resources.outputResource(base);
  const program = new Uint8Array(base.generate());
  assertEquals(systemOf(program), { os: "win32", cpu: "x64" });

  const { entries } = NtExecutableResource.from(
    NtExecutable.from(withResources(program, DETAILS, drawIcon())),
  );
  assertEquals(new Uint8Array(entries.find(({ id }) => id === "D3N0L4ND")!.bin), payload);
  const [version] = Resource.VersionInfo.fromEntries(entries);
  assertEquals([version!.fixedInfo.fileVersionMS, version!.fixedInfo.fileVersionLS], [
    (1 << 16) + 20,
    3 << 16,
  ]);
  const strings = version!.getStringValues({ lang: 0x409, codepage: 1200 });
  assertEquals(strings.FileDescription, "EXAI shim");
  assertEquals(strings.OriginalFilename, "exai-shim.exe");
  assertEquals(strings.ProductVersion, "1.20.3 (012345678)");
  const [icon] = Resource.IconGroupEntry.fromEntries(entries);
  assertEquals(icon!.icons.map(({ width }) => width || 256), [16, 20, 24, 32, 40, 48, 64, 256]);
  assertThrows(() => withResources(bytes("#!/bin/sh"), DETAILS, drawIcon()));
});

const artifacts: Artifact[] = TARGETS.map((target, index) => ({
  target,
  file: archiveName(target).file,
  sha256: String(index).repeat(64),
}));
const data = { repository: REPOSITORY, artifacts, day: "2026-11-27" };

Deno.test("Homebrew, Scoop and winget are told the same version, addresses and checksums", () => {
  const url = (name: string) => `${REPOSITORY}/releases/download/v${PROJECT.version}/${name}`;
  const [formula] = homebrew(data);
  assertEquals(formula!.path, "homebrew/exai.rb");
  const pairs = [...formula!.text.matchAll(/url "(.*)"\n\s*sha256 "(.*)"/g)].map((
    [, url, sum],
  ) => [url, sum]);
  const ofUnix = artifacts.filter(({ target }) => target.os !== "win32");
  assertEquals(pairs.sort(), ofUnix.map(({ file, sha256 }) => [url(file), sha256]).sort());
  assertMatch(formula!.text, /on_macos do\n {4}on_intel do\n {6}url/);
  const windows = artifacts.find(({ target }) => target.os === "win32")!;
  const [bucket] = scoop(data);
  const { architecture, version, bin, autoupdate } = JSON.parse(bucket!.text);
  assertEquals(version, PROJECT.version);
  assertEquals(architecture["64bit"], {
    url: url(windows.file),
    hash: windows.sha256,
    extract_dir: `exai-${PROJECT.version}-windows-x64`,
  });
  assertEquals(bin, ["exai-daemon.exe", "exai-shim.exe"]);
  assertEquals(
    autoupdate.architecture["64bit"].url,
    `${REPOSITORY}/releases/download/v$version/exai-$version-windows-x64.zip`,
  );
  const manifests = winget(data).map(({ text }) => parseYaml(text) as Record<string, unknown>);
  assertEquals(manifests.map(({ ManifestType }) => ManifestType), ["version", "installer", "defaultLocale"]);
  for (const { PackageVersion } of manifests) assertEquals(PackageVersion, PROJECT.version);
  assertEquals(manifests[1]!.Installers, [{
    Architecture: "x64",
    InstallerUrl: url(windows.file),
    InstallerSha256: windows.sha256,
  }]);
});

Deno.test("a release says of itself what update --check asks for, and each archive with its checksum", () => {
  const built = { commit: "c".repeat(40), committedAt: "2026-11-27T16:00:00Z" };
  const { version, url, published_at, archives } = JSON.parse(
    releaseFile({ artifacts, built, repository: REPOSITORY }),
  );
  assertEquals([version, url, published_at], [
    PROJECT.version,
    `${REPOSITORY}/releases/tag/v${PROJECT.version}`,
    built.committedAt,
  ]);
  assertEquals(archives.map(({ sha256 }: Artifact) => sha256), artifacts.map(({ sha256 }) => sha256));
});

Deno.test("a system that was not built is in no manifest", () => {
  const some = { ...data, artifacts: artifacts.filter(({ target }) => target.name === "linux-arm64") };
  assertEquals([...scoop(some), ...winget(some)], []);
  const [formula] = homebrew(some);
  assertEquals(formula!.text.match(/on_\w+/g), ["on_linux", "on_arm"]);
  assertEquals(homebrew({ ...data, artifacts: [] }), []);
});

Deno.test("the repository is taken from what is given, whatever form an address has", async () => {
  assertEquals(await repositoryUrl("git@github.com:ada/exai.git"), "https://github.com/ada/exai");
  assertEquals(await repositoryUrl("https://github.com/ada/exai/"), "https://github.com/ada/exai");
  assertEquals(
    await repositoryUrl("ssh://git@git.example.com/ada/exai.git"),
    "https://git.example.com/ada/exai",
  );
  for (const wrong of ["", "exai", "file:///srv/exai", "http://github.com/ada/exai"]) {
    const error = await repositoryUrl(wrong).catch((thrown) => thrown);
    assertStringIncludes(String(error), "--repository must look like", wrong);
  }
});

const PACKAGES: BundledPackage[] = [
  {
    name: "@a/b",
    version: "1.0.0",
    licence: "MIT",
    licenceText: "Text of b",
    integrity: `sha512-${btoa("x".repeat(64))}`,
    dependencies: ["c", "unbundled"],
  },
  {
    name: "c",
    version: "2.0.0",
    licence: "(MIT OR Apache-2.0)",
    licenceText: undefined,
    integrity: undefined,
    dependencies: [],
  },
];

Deno.test("the bill of materials has every package with licence and checksum, and only references what it has", () => {
  const bill = JSON.parse(
    sbom({ packages: PACKAGES, deno: "2.9.6", built: undefined, repository: REPOSITORY }),
  );
  const { components, dependencies } = bill;
  assertEquals(components.map(({ purl }: { purl: string }) => purl), [
    "pkg:github/denoland/deno@v2.9.6",
    "pkg:npm/%40a/b@1.0.0",
    "pkg:npm/c@2.0.0",
  ]);
  assertEquals(components[1].hashes, [{ alg: "SHA-512", content: "78".repeat(64) }]);
  assertEquals([components[1].licenses, components[2].licenses], [
    [{ license: { id: "MIT" } }],
    [{ expression: "(MIT OR Apache-2.0)" }],
  ]);
  assertEquals(dependencies[2], { ref: "pkg:npm/%40a/b@1.0.0", dependsOn: ["pkg:npm/c@2.0.0"] });
});

Deno.test("the licences of third parties are there in full, or it is said that a package has none", () => {
  const whole = licenceTexts(PACKAGES, "RUNTIME\n\n");
  assertStringIncludes(whole, "RUNTIME\n\n====");
  assertStringIncludes(whole, "@a/b 1.0.0");
  assertStringIncludes(whole, "Text of b");
  assertStringIncludes(
    whole,
    "The package contains no text of its licence; (MIT OR Apache-2.0) is what its package.json says.",
  );
});
