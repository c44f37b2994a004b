import { graphql, type ResultOf } from "../../api/graphql";
import { NAMED_CLIENT, PROBLEM } from "../../api/fragments";

export const ROUTES = graphql(`
  query ModemRoutes {
    modemRoutes {
      id
      modem
      port
      assignedNumbers
      learned
      lastSeenAt
      client {
        ...NamedClient
      }
    }
  }
`, [NAMED_CLIENT]);

export type Line = ResultOf<typeof ROUTES>["modemRoutes"][number];

export const SET_ROUTE = graphql(`
  mutation SetModemRoute($input: SetModemRouteInput!) {
    result: setModemRoute(input: $input) {
      ...Problem
    }
  }
`, [PROBLEM]);

export const DELETE_ROUTE = graphql(`
  mutation DeleteModemRoute($id: ID!) {
    result: deleteModemRoute(input: { id: $id }) {
      ...Problem
    }
  }
`, [PROBLEM]);

export const TEST_READINESS = graphql(`
  mutation TestReplyReadiness($clientId: ID!) {
    result: testReplyReadiness(input: { clientId: $clientId }) {
      ... on ReplyReadiness {
        ready
        modem
        port
        checks {
          name
          passed
          detail
        }
        inbound {
          id
          number
          text
          createdAt
        }
      }
      ...Problem
    }
  }
`, [PROBLEM]);
