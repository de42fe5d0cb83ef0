"use strict";
// Starts a program of EXAI from the package that npm has installed for this system, in place of itself where it can.
const { spawn } = require("node:child_process");
const path = require("node:path");

// Of each system that there is a program for: the package, by process.platform and process.arch.
const PACKAGES = {}; // filled in by the release

module.exports = function launch(name) {
  const program = find(name);
  if (program === undefined) {
    const system = `${process.platform} ${process.arch}`;
    const wanted = PACKAGES[`${process.platform}-${process.arch}`];
    process.stderr.write(
      wanted
        ? `${name}: the package ${wanted} is missing; install again without --omit=optional (npm install --include=optional)\n`
        : `${name}: there is no program for ${system}; there is for ${Object.keys(PACKAGES).join(", ")}\n`,
    );
    process.exit(1);
  }
  replace(program);
  run(program);
};

function find(name) {
  const wanted = PACKAGES[`${process.platform}-${process.arch}`];
  if (wanted === undefined) return undefined;
  const file = process.platform === "win32" ? `${name}.exe` : name;
  try {
    return path.join(path.dirname(require.resolve(`${wanted}/package.json`)), "bin", file);
  } catch {
    return undefined;
  }
}

// Node.js 22.15 and later can become the program, so that a window costs no process of Node.js beside it.
function replace(program) {
  if (typeof process.execve !== "function" || process.platform === "win32") return;
  try {
    process.execve(program, [program, ...process.argv.slice(2)], process.env);
  } catch {
    // It is started as a child below.
  }
}

function run(program) {
  const child = spawn(program, process.argv.slice(2), { stdio: "inherit", windowsHide: true });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    process.stderr.write(`${program} cannot be started: ${error.message}\n`);
    process.exitCode = 1;
  });
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}
