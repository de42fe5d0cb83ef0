import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { installPlace } from "./helpers/install_place.ts";
import { tarGz } from "../tools/release/archive.ts";

/** The scripts are for Linux and macOS. */
function unixTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore: Deno.build.os === "windows", fn });
}

const PROFILES = {
  ".profile": "# mine\nexport A=1\n",
  ".bashrc": "alias l='ls -l'",
  ".zshrc": "\n",
  ".config/fish/config.fish": "set -x A 1\n",
};

/** What PATH is in a shell that has read a profile. */
async function pathAfter(profile: string, home: string): Promise<string> {
  const { stdout } = await new Deno.Command("/bin/sh", {
    args: ["-c", '. "$1"; . "$1"; printf %s "$PATH"', "sh", profile],
    clearEnv: true,
    env: { HOME: home, PATH: "/usr/bin:/bin" },
  }).output();
  return new TextDecoder().decode(stdout);
}

unixTest(
  "installing puts the programs into a directory of yours and into PATH, and shows what adopt would do",
  async () => {
    await using it = await installPlace(PROFILES);
    const { code, output, asked } = await it.install();
    assertEquals(code, 0, output);
    assertEquals(asked, ["--version", "adopt --dry-run"]);
    assertStringIncludes(output, `installed in ${it.installed}`);
    for (const name of ["exai-daemon", "exai-shim"]) {
      assertEquals((await Deno.stat(`${it.installed}/bin/${name}`)).mode! & 0o777, 0o755);
    }
    for (const profile of [".profile", ".bashrc"]) {
      // Twice read, once in PATH.
      assertEquals(await pathAfter(`${it.home}/${profile}`, it.home), `${it.installed}/bin:/usr/bin:/bin`);
    }
  },
);

unixTest("uninstalling leaves every file as it was, byte for byte", async () => {
  await using it = await installPlace(PROFILES);
  const before = await it.files();
  await it.install();
  const { code, output, asked } = await it.uninstall();
  assertEquals(code, 0, output);
  assertEquals(asked, ["adopt --undo --yes", "adopt --undo --yes --json", "service uninstall", "stop"]);
  assertEquals(await it.files(), before);
  assertEquals(await Deno.stat(it.installed).catch(() => "gone"), "gone");
});

unixTest(
  "a profile that had to be made is gone again, and what was written into it since stays",
  async () => {
    await using it = await installPlace();
    await it.install();
    assertEquals(await pathAfter(`${it.home}/.profile`, it.home), `${it.installed}/bin:/usr/bin:/bin`);
    await it.uninstall();
    assertEquals(await it.files(), {});
    await it.install();
    await Deno.writeTextFile(`${it.home}/.profile`, "export B=2\n", { append: true });
    await it.uninstall();
    assertEquals(await it.files(), { ".profile": "export B=2\n" });
  },
);

unixTest("a profile that is a link stays one", async () => {
  await using it = await installPlace({ "dotfiles/profile": "export A=1\n" });
  await Deno.symlink("dotfiles/profile", `${it.home}/.profile`);
  await it.install();
  assertStringIncludes(await Deno.readTextFile(`${it.home}/dotfiles/profile`), ">>> exai >>>");
  await it.uninstall();
  assertEquals(await Deno.readLink(`${it.home}/.profile`), "dotfiles/profile");
  assertEquals(await Deno.readTextFile(`${it.home}/dotfiles/profile`), "export A=1\n");
});

unixTest(
  "installing again updates: PATH is there once, and the daemon of before is stopped after its calls",
  async () => {
    await using it = await installPlace(PROFILES);
    await it.install();
    const before = await it.files();
    const { code, asked, output } = await it.install(["--no-preview"], { T_STOP: "0" });
    assertEquals([code, asked], [0, ["--version", "stop"]]);
    assertStringIncludes(output, "no daemon of the version before runs now");
    assertEquals(await it.files(), before);
  },
);

unixTest("a program that runs keeps its file while it is updated", async () => {
  await using it = await installPlace();
  await it.install();
  using running = await Deno.open(`${it.installed}/bin/exai-shim`);
  await Deno.writeTextFile(`${it.archive}/exai-shim`, "#!/bin/sh\necho new\n");
  await it.install();
  assertStringIncludes(await new Response(running.readable).text(), "T_LOG");
  assertEquals(await Deno.readTextFile(`${it.installed}/bin/exai-shim`), "#!/bin/sh\necho new\n");
});

unixTest("a directory that is in PATH already is not added again", async () => {
  await using it = await installPlace(PROFILES);
  await it.install([], { PATH: `/usr/bin:${it.installed}/bin:/bin` });
  for (const [name, text] of Object.entries(PROFILES)) assertEquals((await it.files())[name], text);
});

unixTest("what is asked for is done: adopt, service, another directory, PATH left alone", async () => {
  await using it = await installPlace(PROFILES);
  const before = await it.files();
  const dir = `${it.dir}/a b`;
  const { code, asked } = await it.install(["--adopt", "--service", "--no-path", `--dir=${dir}`]);
  assertEquals([code, asked], [0, ["--version", "adopt --yes", "service install"]]);
  assertEquals(await it.files(), before);
  assertEquals((await it.run(`${dir}/uninstall.sh`)).code, 0);
  assertEquals(await it.files(), before);
});

const UNDO = "adopt --undo --yes";
const IS_LEFT = "adopt --undo --yes --json";

unixTest("clients get back what every adoption has changed, before anything is removed", async () => {
  await using it = await installPlace();
  await it.install(["--adopt"]);
  await it.install(["--adopt"]);
  const { code, output, asked } = await it.uninstall();
  assertEquals([code, asked], [0, [UNDO, UNDO, UNDO, IS_LEFT, "service uninstall", "stop"]], output);
  assertEquals(await it.files(), {});
});

unixTest("nothing is removed when the clients cannot be given their files back, unless told so", async () => {
  await using it = await installPlace();
  await it.install(["--adopt"]);
  const before = await it.files();
  const refused = await it.uninstall([], { T_STUCK: "1" });
  assertEquals([refused.code, refused.asked], [1, [UNDO, IS_LEFT]]);
  assertMatch(refused.output, /c\.json cannot be written\n.*nothing was removed/s);
  assertEquals(await it.files(), before);
  const kept = await it.uninstall(["--keep-clients"], { T_STUCK: "1" });
  assertEquals([kept.code, kept.asked], [0, ["service uninstall", "stop"]]);
});

unixTest("your configuration and state stay when EXAI is uninstalled, and go with --purge", async () => {
  const own = { ".config/exai/mcp.json": "{}", ".local/state/exai/token": "t", ".config/other/x": "x" };
  await using it = await installPlace(own);
  if (Deno.build.os === "darwin") return;
  await it.install();
  await it.uninstall();
  assertEquals(await it.files(), own);
  await it.install();
  await it.uninstall(["--purge"]);
  assertEquals(await it.files(), { ".config/other/x": "x" });
});

unixTest("programs that do not run here are said so before anything is changed", async () => {
  await using it = await installPlace(PROFILES);
  const before = await it.files();
  const { code, output } = await it.install([], { T_BROKEN: "1" });
  assertEquals(code, 1);
  assertMatch(output, /cannot execute\n.*the programs do not run here .*glibc 2\.27/s);
  assertEquals(await it.files(), before);
});

unixTest("a wrong option, directory or system is named", async () => {
  await using it = await installPlace();
  const [unknown, colon, alone] = await Promise.all([
    it.install(["--frobnicate"]),
    it.install(["--dir", "/tmp/a:b"]),
    Deno.copyFile(`${it.archive}/install.sh`, `${it.dir}/install.sh`).then(() =>
      it.run(`${it.dir}/install.sh`)
    ),
  ]);
  assertEquals(unknown.code, 2);
  assertStringIncludes(unknown.output, "--frobnicate is not known\nUsage:");
  assertEquals(colon.code, 1);
  assertStringIncludes(colon.output, "must not have a colon");
  assertEquals(alone.code, 1);
  assertStringIncludes(alone.output, "unpack the whole archive");
});

/** Whether the system has what install.sh downloads with. */
async function canDownload(): Promise<boolean> {
  const { success } = await new Deno.Command("/bin/sh", {
    args: ["-c", "command -v curl || command -v wget"],
    stdout: "null",
  })
    .output();
  return success;
}

unixTest(
  "install.sh alone downloads the archive of its release, and takes it only with the right checksum",
  async () => {
    if (!await canDownload()) return;
    await using it = await installPlace();
    const paths = ["exai-daemon", "exai-shim", "install.sh", "uninstall.sh"];
    const files = await Promise.all(
      paths.map(async (path) => ({
        path,
        content: await Deno.readFile(`${it.archive}/${path}`),
        isProgram: true,
      })),
    );
    const folder = it.archive.slice(it.dir.length + 1);
    const archive = await tarGz(files, { folder, time: new Date(0) }) as Uint8Array<ArrayBuffer>;
    const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", archive)).toHex();
    let sums = `${"0".repeat(64)}  exai-0.0.0-other.tar.gz\n${sum}  ${folder}.tar.gz\n`;
    await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, ({ url }) => {
      if (url.endsWith("/SHA256SUMS")) return new Response(sums);
      return url.endsWith(`/${folder}.tar.gz`) ? new Response(archive) : new Response(null, { status: 404 });
    });
    const env = { EXAI_DOWNLOAD_URL: `http://127.0.0.1:${server.addr.port}` };
    await Deno.copyFile(`${it.archive}/install.sh`, `${it.dir}/install.sh`);
    const script = `${it.dir}/install.sh`;
    const fine = await it.run(script, [], env);
    assertEquals(fine.code, 0, fine.output);
    assert((await Deno.stat(`${it.installed}/bin/exai-shim`)).isFile);
    await it.uninstall();
    sums = sums.replace(sum, sum.replace(/^./, (digit) => digit === "0" ? "1" : "0"));
    const damaged = await it.run(script, [], env);
    assertEquals(damaged.code, 1);
    assertStringIncludes(damaged.output, "what was downloaded is damaged");
    sums = "";
    assertStringIncludes((await it.run(script, [], env)).output, `has no archive for ${it.system}`);
    assertEquals(await it.files(), {});
  },
);
