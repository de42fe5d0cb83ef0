import { messageOf, UsageError } from "../base/errors.ts";
import { counted } from "../base/text.ts";
import { SECOND_MS } from "../base/units.ts";
import { visible } from "../base/visible.ts";
import { type CheckResult, CHECKS, examine } from "../doctor/checks.ts";
import { describeRepair, type Finding, type Repair } from "../doctor/finding.ts";
import { installationHere } from "../doctor/installation_here.ts";
import { type Installation, WAIT_S } from "../doctor/installation.ts";
import { applyRepair } from "../doctor/repair.ts";
import type { CommandResult, Invocation } from "./command.ts";
import { EXIT } from "./exit_codes.ts";
import { MAX_ERROR_CHARS } from "./table.ts";
import { terminalColumns } from "./terminal.ts";
import { wrap } from "./wrap.ts";

const MAX_WAIT_S = 3600;
/** Mending one fault may show another behind it. */
const MAX_ROUNDS = 3;

const UNTRUSTED = "file-untrusted";
const LOOK = "others may have changed it before: look through it; no server was started here for that reason";

/** A repair that was made, or could not be. */
interface Mended {
  check: string;
  finding: Finding;
  repair: Repair;
  /** Undefined when it was made. */
  fault?: string;
}

/**
 * Runs `exai-daemon doctor`.
 *
 * @param options.places where the clients of the user keep their files; their own if left out
 */
export async function doctor(
  invocation: Invocation,
  options: Partial<Pick<Installation, "places">> = {},
): Promise<CommandResult> {
  const { switches, progress } = invocation;
  const waitMs = waitOf(invocation.options.get("wait")?.at(-1));
  const mended: Mended[] = [];
  const look = async () => {
    // What others could have written is not run before its owner has seen it.
    const isQuick = switches.has("quick") || mended.some(({ finding }) => finding.id === UNTRUSTED);
    progress.step(isQuick ? "looking for faults" : "looking for faults, and starting every server");
    const installation = installationHere(invocation, { ...options, waitMs, isQuick });
    return { installation, results: await examine(installation) };
  };
  let { installation, results } = await look();
  for (let round = 0; switches.has("fix") && round < MAX_ROUNDS; round++) {
    const made = await mend(results, installation);
    mended.push(...made);
    if (!made.some(({ fault }) => fault === undefined)) break;
    ({ installation, results } = await look());
  }
  progress.end();
  const faults = results.flatMap(({ findings }) => findings).filter(({ severity }) => severity === "fault");
  return {
    text: [
      ...describeMended(mended),
      ...describeResults(results),
      "",
      summaryOf(results, switches.has("fix")),
    ].join("\n"),
    json: jsonOf(results, mended),
    code: faults.length > 0 ? EXIT.no : EXIT.done,
  };
}

function waitOf(text: string | undefined): number {
  const seconds = Number(text ?? WAIT_S);
  if (seconds > 0 && seconds <= MAX_WAIT_S) return seconds * SECOND_MS;
  throw new UsageError(`--wait is ${JSON.stringify(text)}; allowed: a number of seconds up to ${MAX_WAIT_S}`);
}

async function mend(results: readonly CheckResult[], installation: Installation): Promise<Mended[]> {
  const mended: Mended[] = [];
  for (const { check, findings } of results) {
    for (const finding of findings) {
      for (const repair of finding.repairs) {
        const fault = await applyRepair(repair, installation).then(() => undefined, messageOf);
        mended.push({ check, finding, repair, fault });
      }
    }
  }
  return mended;
}

function describeMended(mended: readonly Mended[]): string[] {
  return mended.flatMap(({ check, finding, repair, fault }) => {
    const did = describeRepair(repair);
    return fault === undefined
      ? lines("mended", check, [finding.what, `done: ${did}`, ...finding.id === UNTRUSTED ? [LOOK] : []])
      : lines("failed", check, [`${did}: ${fault}`]);
  });
}

const MARK_WIDTH = "warning".length + 2;
const NAME_WIDTH = Math.max(...Object.keys(CHECKS).map((name) => name.length)) + 2;
/** Narrower than this, wrapped lines are harder to read than long ones. */
const MIN_TEXT_WIDTH = 40;

function describeResults(results: readonly CheckResult[]): string[] {
  return results.flatMap(({ check, findings }) =>
    findings.length === 0
      ? lines("ok", check, [])
      : findings.flatMap((finding) => lines(finding.severity, check, describeFinding(finding)))
  );
}

function describeFinding({ what, remedy, repairs }: Finding): string[] {
  return [what, remedy, ...(repairs.length > 0 ? ["(--fix does it)"] : [])];
}

/** A mark and the name of a check, and beside them texts, each on lines of its own that fit the terminal. */
function lines(mark: string, check: string, texts: readonly string[]): string[] {
  const head = mark.padEnd(MARK_WIDTH) + check.padEnd(NAME_WIDTH);
  const width = Math.max(MIN_TEXT_WIDTH, (terminalColumns() ?? Infinity) - head.length);
  const wrapped = texts.flatMap((text) => wrap(visible(text, MAX_ERROR_CHARS), width));
  const [first = "", ...rest] = wrapped;
  return [(head + first).trimEnd(), ...rest.map((line) => " ".repeat(head.length) + line)];
}

function summaryOf(results: readonly CheckResult[], isFixed: boolean): string {
  const all = results.flatMap(({ findings }) => findings);
  const count = (severity: Finding["severity"]) =>
    all.filter((finding) => finding.severity === severity).length;
  const [faults, warnings] = [count("fault"), count("warning")];
  if (all.length === 0) return "Nothing is wrong.";
  const safe = all.filter(({ repairs }) => repairs.length > 0).length;
  const advice = safe > 0 && !isFixed ? `; exai-daemon doctor --fix mends ${safe} of them` : "";
  return `${counted(faults, "fault")}, ${counted(warnings, "warning")}${advice}`;
}

function jsonOf(results: readonly CheckResult[], mended: readonly Mended[]) {
  const shown = ({ repairs, ...finding }: Finding) => ({ ...finding, repairs: repairs.map(describeRepair) });
  return {
    ok: !results.some(({ findings }) => findings.some(({ severity }) => severity === "fault")),
    checks: results.map(({ check, findings }) => ({ check, findings: findings.map(shown) })),
    mended: mended.map(({ check, finding, repair, fault }) => ({
      check,
      id: finding.id,
      repair: describeRepair(repair),
      error: fault,
    })),
  };
}
