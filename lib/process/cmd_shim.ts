import { win32 } from "node:path";

/** The directory of the batch file, as the tools write it, with or without a backslash after it. */
const HERE = String.raw`%(?:~dp0|dp0%)\\?`;
const SCRIPT = String.raw`${HERE}([^"%]+\.[cm]?js)`;

/** A call of a script with all arguments, as npm's cmd-shim, pnpm and yarn write it. */
const CALL = new RegExp(String.raw`"${SCRIPT}"\s+%\*`, "gi");

/** A script in a variable, as in the `npx.cmd` and `npm.cmd` of Node. */
const NAMED = new RegExp(String.raw`^[ \t]*SET[ \t]+"?(\w+)=${SCRIPT}"?[ \t\r]*$`, "gim");

/** A call of a program in a variable, with all arguments. */
const CALL_NAMED = /"%(\w+)%"\s+%\*/gi;

/**
 * The Node script that the batch file `text` in `dir` starts, if it does nothing else.
 *
 * @returns undefined for any other file
 */
export function readCmdShim(text: string, dir: string): string | undefined {
  if (!/node/i.test(text)) return undefined;
  const direct = [...text.matchAll(CALL)].at(-1)?.[1];
  if (direct !== undefined) return win32.join(dir, direct);
  const named = new Map([...text.matchAll(NAMED)].map(([, name, script]) => [name!.toUpperCase(), script!]));
  const called = [...text.matchAll(CALL_NAMED)].at(-1)?.[1];
  const script = called === undefined ? undefined : named.get(called.toUpperCase());
  return script === undefined ? undefined : win32.join(dir, script);
}
