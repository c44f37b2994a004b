// A client's first minute with a client library that others publish, over HTTP: signs in, sends,
// finds the send in its list, and is refused. Prints a JSON line for each step.
// node work.mjs CLIENT ADDRESS EMAIL PASSWORD

const [kind, address, email, password] = process.argv.slice(2);
const uri = `${address}/graphql`;
let token = null;
const headers = () => (token ? { authorization: `Bearer ${token}` } : {});
const say = (step, answer) => console.log(JSON.stringify({ step, ...answer }));

const SIGN_IN = `mutation SignIn($input: SignInInput!) {
  signIn(input: $input) { ... on Session { accessToken } }
}`;
const SEND = `mutation Send($input: SendInput!) {
  send(input: $input) { __typename ... on Send { id accepted } ... on InvalidText { message } }
}`;
const SENDS = `query Sends($first: Int) {
  sends(first: $first) { edges { cursor node { id accepted } } pageInfo { hasNextPage } }
}`;

async function apollo() {
  const { ApolloClient, CombinedGraphQLErrors, HttpLink, InMemoryCache, gql } = await import(
    "@apollo/client/core/index.js"
  );
  const { ApolloLink } = await import("@apollo/client/link/index.js");
  const authorized = new ApolloLink((operation, forward) => {
    operation.setContext({ headers: headers() });
    return forward(operation);
  });
  const link = authorized.concat(new HttpLink({ uri }));
  const client = new ApolloClient({ link, cache: new InMemoryCache() });
  const answerOf = async (given) => {
    try {
      return { data: (await given).data };
    } catch (failure) {
      if (!CombinedGraphQLErrors.is(failure)) throw failure;
      return { codes: failure.errors.map((error) => error.extensions.code) };
    }
  };
  return {
    change: (document, variables) => answerOf(client.mutate({ mutation: gql(document), variables })),
    read: (document, variables) => answerOf(client.query({ query: gql(document), variables })),
  };
}

async function urql() {
  const { Client, cacheExchange, fetchExchange } = await import("@urql/core");
  const client = new Client({
    url: uri,
    exchanges: [cacheExchange, fetchExchange],
    fetchOptions: () => ({ headers: headers() }),
    preferGetMethod: false,
  });
  const answerOf = async (given) => {
    const { data, error } = await given;
    if (error?.networkError) throw error.networkError;
    return error ? { codes: error.graphQLErrors.map((each) => each.extensions.code) } : { data };
  };
  return {
    change: (document, variables) => answerOf(client.mutation(document, variables).toPromise()),
    read: (document, variables) => answerOf(client.query(document, variables).toPromise()),
  };
}

const { change, read } = await { apollo, urql }[kind]();
const signedIn = await change(SIGN_IN, { input: { email, password } });
token = signedIn.data.signIn.accessToken;
say("sent", await change(SEND, { input: { to: "+12025550100", text: "Hello" } }));
say("listed", await read(SENDS, { first: 1 }));
say("refused", await change(SEND, { input: { to: "+12025550100", text: "" } }));
token = null;
say("unknown", await read(SENDS, { first: 2 }));
