import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { launchdPlan } from "../lib/commands/service/launchd.ts";
import type { ServicePlan } from "../lib/commands/service/plan.ts";
import { scheduledTaskPlan } from "../lib/commands/service/scheduled_task.ts";
import { systemdPlan } from "../lib/commands/service/systemd.ts";

/** Words of a command line that each format would read as something else. */
const WORDS = [
  "--if-not-running",
  "--home=/home/Jürgen Groß/100% $HOME",
  String.raw`C:\Program Files\exai\ `,
  String.raw`--home=C:\Users\Ann "Bee"\state\\`,
  "a<b>&c'd;e#f",
  "$$ %h ${USER} \\n",
  "",
];

const SPEC = {
  id: "exai-daemon-x1",
  command: "/opt/my tools/exai & co/exai-daemon",
  args: WORDS,
  stopTimeoutMs: 30_500,
};

const ON_WINDOWS = {
  dir: String.raw`C:\state`,
  account: String.raw`PC & CO\Jürgen`,
  program: (name: string) => String.raw`C:\Windows\System32` + `\\${name}`,
};

const textOf = ({ files }: ServicePlan, n = 0) => files[n]!.text;

/** Reads a command line as systemd.service(5) says: double quotes, C escapes, specifiers, variables. */
function systemdWords(line: string): string[] {
  return [...line.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, word], n) => {
    const plain = word!.replaceAll(/\\(.)/g, (_, char) => char === "n" ? "\n" : char).replaceAll("%%", "%");
    return n === 0 ? plain : plain.replaceAll("$$", "$");
  });
}

/** Reads a command line as `CommandLineToArgvW` does. */
function windowsWords(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let isQuoted = false;
  for (let i = 0; i < line.length; i++) {
    const slashes = /^\\*/.exec(line.slice(i))![0].length;
    if (slashes > 0 && line[i + slashes] === '"') {
      word = (word ?? "") + "\\".repeat(slashes >> 1);
      i += slashes;
      if (slashes % 2 === 1) word += '"';
      else isQuoted = !isQuoted;
    } else if (line[i] === '"') {
      word ??= "";
      isQuoted = !isQuoted;
    } else if (!isQuoted && /\s/.test(line[i]!)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? "") + line[i];
  }
  return word === undefined ? words : [...words, word];
}

const unescapeXml = (text: string) =>
  text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&quot;", '"').replaceAll("&amp;", "&");

Deno.test("a systemd unit starts the program with the very words that were given", () => {
  const text = textOf(systemdPlan(SPEC, "/units"));
  const [, line] = /^ExecStart=(.*)$/m.exec(text)!;
  assertEquals(systemdWords(line!), [SPEC.command, ...WORDS]);
  assertStringIncludes(text, "\nTimeoutStopSec=31\n");
});

Deno.test("a systemd service that its socket starts is not started at login as well", () => {
  const plan = systemdPlan({ ...SPEC, socket: { hostname: "::1", port: 8765 } }, "/units");
  assertEquals(plan.files.map(({ path }) => path), [
    "/units/exai-daemon-x1.service",
    "/units/exai-daemon-x1.socket",
  ]);
  assert(!textOf(plan).includes("[Install]"));
  assertStringIncludes(textOf(plan, 1), "\nListenStream=[::1]:8765\n");
  assertStringIncludes(textOf(systemdPlan(SPEC, "/units")), "\n[Install]\nWantedBy=default.target\n");
});

Deno.test("a launchd agent starts the program with the very words that were given", () => {
  const text = textOf(launchdPlan(SPEC, { dir: "/agents", uid: 501 }));
  const [, words] = /<key>ProgramArguments<\/key>\s*<array>([^]*?)<\/array>/.exec(text)!;
  const found = [...words!.matchAll(/<string>([^<]*)<\/string>/g)].map(([, word]) => unescapeXml(word!));
  assertEquals(found, [SPEC.command, ...WORDS]);
});

Deno.test("a scheduled task starts the program without a window, with the very words that were given", () => {
  const plan = scheduledTaskPlan(SPEC, ON_WINDOWS);
  const text = textOf(plan);
  const element = (name: string) => unescapeXml(new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)![1]!);
  assertEquals(element("Command"), String.raw`C:\Windows\System32\conhost.exe`);
  assertEquals(windowsWords(element("Arguments")), ["--headless", SPEC.command, ...WORDS]);
  assertEquals(element("UserId"), String.raw`PC & CO\Jürgen`);
  assertEquals([element("ExecutionTimeLimit"), element("StopIfGoingOnBatteries")], ["PT0S", "false"]);
});

Deno.test("how a service stands is read from what its manager says", () => {
  const systemd = systemdPlan({ ...SPEC, socket: { hostname: "127.0.0.1", port: 1 } }, "/units");
  const unit = (load: string, active: string, file: string, pid: string) =>
    `LoadState=${load}\nActiveState=${active}\nUnitFileState=${file}\nMainPID=${pid}`;
  assertEquals(
    systemd.readState(
      `${unit("loaded", "active", "static", "42")}\n\n${unit("loaded", "active", "enabled", "")}`,
    ),
    { state: "active", isEnabled: true, pid: 42 },
  );
  assertEquals(systemd.readState(unit("loaded", "failed", "disabled", "0")), {
    state: "failed",
    isEnabled: false,
  });
  assertEquals(systemd.readState(unit("not-found", "inactive", "", "0")), undefined);
  const launchd = launchdPlan(SPEC, { dir: "/agents", uid: 501 });
  assertEquals(
    launchd.readState("gui/501/exai-daemon = {\n\tstate = running\n\n\tprogram = /opt/x\n\tpid = 77\n}"),
    { state: "running", isEnabled: true, pid: 77 },
  );
  assertEquals(launchd.readState("gui/501/exai-daemon = {\n\tstate = not running\n}"), {
    state: "not running",
    isEnabled: true,
  });
});

Deno.test("a service that fails again and again is given up, as docs/service.md says", () => {
  const unit = textOf(systemdPlan(SPEC, "/units"));
  assertMatch(unit, /^StartLimitIntervalSec=60\nStartLimitBurst=5$/m);
  assertMatch(unit, /^Restart=on-failure$/m);
  assertMatch(unit, /^RestartPreventExitStatus=78$/m);
  const [restart = ""] =
    /<RestartOnFailure>.*<\/RestartOnFailure>/s.exec(textOf(scheduledTaskPlan(SPEC, ON_WINDOWS))) ?? [];
  assertMatch(restart, /<Count>3<\/Count>/);
});
