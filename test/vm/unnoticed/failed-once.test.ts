// SPDX-License-Identifier: Apache-2.0
/** What `npm run compat` once found to differ from plain TCP, and what was mended: so that it stays mended. */
import { expect } from 'chai';
import { makeWorld } from '../../compat/content.js';
import { judge } from '../../compat/judge.js';
import { SITUATIONS } from '../../compat/situations/all.js';
import { lab } from '../harness/index.js';
import { PATIENT, withoutStops } from './support.js';

const FAILED_ONCE = ['nginx, request body', 'wrk', 'waitress', 'pen', 'webdis', 'rsyslog', 'php'];

describe('a program that failed once', () => {
  // The plain way is on the same wire, so that is not judged here: the agents are asked for each connection.
  before(() => lab.need(PATIENT));
  withoutStops();
  before(makeWorld);

  for (const name of FAILED_ONCE) {
    it(`is now as on plain TCP: ${name}`, async () => {
      const number = SITUATIONS.findIndex((situation) => situation.name === name);
      const situation = SITUATIONS[number];
      if (situation === undefined) throw new Error(`no situation has the name ${name}`);
      const { verdict, detail } = await judge(situation, number, {
        family: 'IPv4',
        plainOnly: false,
        out: '/tmp/failed-once',
      });
      expect(verdict, detail).to.equal('same');
    });
  }
});
