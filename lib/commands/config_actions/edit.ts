import { dirname, extname } from "@std/path";
import { ExaiError, messageOf } from "../../base/errors.ts";
import { userEditor } from "../../config/editor.ts";
import { statePaths } from "../../config/paths.ts";
import type { Action, CommandResult, Invocation } from "../command.ts";
import { reportOf } from "./check.ts";
import { configFile } from "./config_files.ts";

export const editConfig: Action = {
  summary: "Open a configuration file in your editor, and check it when that is closed",
  about: ["The editor is VISUAL or EDITOR, else that of the system. A file that is missing is made first."],
  forms: [{ args: "[mcp|exai|models]", does: "edits mcp.json, or another of the files" }],
  exits: { 0: "the file has no fault", 1: "the editor failed, or the file has a fault" },
  run: edit,
};

/** @throws {ExaiError} `CONFIG` when there is no editor, or it fails */
async function edit({ args: [name = "mcp"], settings, progress }: Invocation): Promise<CommandResult> {
  const file = configFile(name);
  const path = file.pathIn(statePaths(settings));
  const [program, ...args] = userEditor() ?? [];
  if (program === undefined) {
    throw new ExaiError("CONFIG", `no editor is known: set EDITOR to the one you use, or open ${path} in it`);
  }
  await make(path, file.skeleton);
  progress.end();
  const command = [program, ...args, path].join(" ");
  const { success, code } = await run(program, [...args, path]).catch((thrown) => {
    throw new ExaiError(
      "CONFIG",
      `the editor cannot be started: ${command}: ${messageOf(thrown)}; set EDITOR`,
    );
  });
  if (!success) throw new ExaiError("CONFIG", `the editor ended with ${code}: ${command}`);
  return reportOf([await file.read(settings)]);
}

async function make(path: string, skeleton: string): Promise<void> {
  try {
    await Deno.mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await Deno.writeTextFile(path, skeleton, { createNew: true, mode: 0o600 });
  } catch (thrown) {
    if (thrown instanceof Deno.errors.AlreadyExists) return;
    throw new ExaiError("CONFIG", `${path} cannot be made: ${messageOf(thrown)}`);
  }
}

/** Runs a program in this terminal. On Windows `code` is `code.cmd`, which is found by its whole name only. */
async function run(program: string, args: readonly string[]): Promise<Deno.CommandStatus> {
  try {
    return await runHere(program, args);
  } catch (thrown) {
    const mayBeScript = Deno.build.os === "windows" && thrown instanceof Deno.errors.NotFound;
    if (!mayBeScript || extname(program) !== "") throw thrown;
    return await runHere(`${program}.cmd`, args);
  }
}

async function runHere(program: string, args: readonly string[]): Promise<Deno.CommandStatus> {
  const child = new Deno.Command(program, {
    args: [...args],
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn();
  return await child.status;
}
