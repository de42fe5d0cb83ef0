import { crowdOneHome } from "../helpers/crowd.ts";

Deno.test({
  name:
    "fifty times six daemons on one home, each time killed in a call: nothing is lost, doubled or damaged",
  ignore: Deno.build.os !== "linux",
  fn: () => crowdOneHome(50),
});
