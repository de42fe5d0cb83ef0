import { assertEquals } from "@std/assert";
import { RenewalProcess } from "../lib/auth/renewal_process.ts";
import { MemoryCredentials } from "./helpers/memory_credentials.ts";

const REQUEST = { id: { resource: "https://far.example/mcp", name: "default" }, oauth: undefined, seen: "" };

/** Renewals by a program in the words of a shell: `$started` is how many were started, this one included. */
async function renewalsBy(script: string, timeoutMs?: number) {
  const dir = await Deno.makeTempDir({ prefix: "exai-renewals-" });
  const counting = `echo >> ${dir}/starts; started=$(grep -c '' ${dir}/starts); ${script}`;
  const findProgram = () => Promise.resolve({ command: "sh", args: ["-c", counting] });
  const store = Object.assign(new MemoryCredentials(), { keys: ["key-of-the-vault"] });
  const renewals = new RenewalProcess({ store, env: {}, findProgram, timeoutMs });
  return {
    renew: () => renewals.renew(REQUEST),
    starts: async () => (await Deno.readTextFile(`${dir}/starts`)).length,
    async [Symbol.asyncDispose]() {
      renewals[Symbol.dispose]();
      await Deno.remove(dir, { recursive: true });
    },
  };
}

/** Answers the requests from number `first` on, as failed because of `why`. */
function answering(first: number, why: string): string {
  return `n=${first}; while read -r line; do ` +
    `echo '{"number":'$n',"renewal":{"is":"failed","why":"'"${why}"'"}}'; n=$((n+1)); done`;
}

const onPosix = { ignore: Deno.build.os === "windows" };

Deno.test("a renewal process that hangs is left, and the next renewal gets another", onPosix, async () => {
  const hanging = "cat > /dev/null";
  await using renewals = await renewalsBy(
    `[ $started = 1 ] && ${hanging} || ${answering(2, "it answers")}`,
    700,
  );
  // In place of the process that hangs this one looks, and finds nothing.
  assertEquals(await renewals.renew(), { is: "gone", why: "it was signed out" });
  assertEquals(await renewals.renew(), { is: "failed", why: "it answers" });
  assertEquals(await renewals.renew(), { is: "failed", why: "it answers" });
  assertEquals(await renewals.starts(), 2);
});

Deno.test("the process that renews is in a session of its own, out of reach of signals to this one's group", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  await using renewals = await renewalsBy(answering(1, "$(echo $$ $(cut -d ' ' -f 5,6 /proc/$$/stat))"));
  const renewal = await renewals.renew();
  const [pid, group, session] = "why" in renewal ? renewal.why.split(" ") : [];
  assertEquals([group, session], [pid, pid]);
});

Deno.test("the process that renews is told the key of the vault on its standard input", onPosix, async () => {
  const echoing = `read -r line; keys=$(echo "$line" | grep -o 'key-of-the-vault'); ` +
    `echo '{"number":1,"renewal":{"is":"failed","why":"'"$keys"'"}}'; read -r line`;
  await using renewals = await renewalsBy(echoing);
  assertEquals(await renewals.renew(), { is: "failed", why: "key-of-the-vault" });
});
