import { assert, assertEquals } from "@std/assert";
import { diagnoseByProgram } from "../helpers/doctor.ts";
import { startDaemon } from "../helpers/program.ts";
import { isRenewal, processesOf, signedInHome } from "../helpers/renewals.ts";
import { ScriptedAuth } from "../helpers/scripted_auth.ts";
import { until } from "../helpers/until.ts";

Deno.test("a daemon that is killed while tokens are renewed does not lose the login", async () => {
  const asked = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  await using auth = new ScriptedAuth({ rotates: true });
  await using signedIn = await signedInHome(auth);
  const before = await signedIn.tokens();
  auth.script.token = async () => {
    asked.resolve();
    await goOn.promise;
    return undefined;
  };
  {
    // It reads the lists of a server of which it has none, for which it needs a token that is good.
    await using daemon = await startDaemon({ home: signedIn.home });
    await asked.promise;
    daemon.process.kill("SIGKILL");
    await daemon.process.status;
    // As a service manager does with what is left of a service.
    for (const { pid, text } of await processesOf(signedIn.home)) {
      if (isRenewal(text)) Deno.kill(pid, "SIGTERM");
    }
  }
  assertEquals(await signedIn.tokens(), before);
  goOn.resolve();
  const after = await until("new tokens in the vault", async () => {
    const tokens = await signedIn.tokens();
    return tokens?.access_token === before?.access_token ? undefined : tokens;
  });
  assert(auth.refresh.has(after!.refresh_token!), "the one that is worth something");
  assertEquals(auth.replayed, []);
});

Deno.test("nothing secret is in the arguments or the environment of the process that renews tokens", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  const seen = Promise.withResolvers<string>();
  await using auth = new ScriptedAuth({ rotates: true });
  await using signedIn = await signedInHome(auth);
  const { access_token, refresh_token } = (await signedIn.tokens())!;
  auth.script.token = async () => {
    seen.resolve((await processesOf(signedIn.home)).map(({ text }) => text).join("\n"));
    return undefined;
  };
  await using _daemon = await startDaemon({ home: signedIn.home });
  const text = await seen.promise;
  assert(isRenewal(text), "it renews by a process of its own");
  for (const secret of [access_token, refresh_token!]) assert(!text.includes(secret));
});

Deno.test("doctor, too, renews by a process of its own: what ends it in the middle loses no login", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  const seen = Promise.withResolvers<string[]>();
  await using auth = new ScriptedAuth({ rotates: true });
  await using signedIn = await signedInHome(auth);
  auth.script.token = async () => {
    seen.resolve((await processesOf(signedIn.home)).map(({ text }) => text));
    return undefined;
  };
  await diagnoseByProgram({ home: signedIn.home, args: ["--wait=5"] });
  assert((await seen.promise).some(isRenewal));
  assert(auth.refresh.has((await signedIn.tokens())!.refresh_token!), "the one that is worth something");
});
