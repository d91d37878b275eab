// SPDX-License-Identifier: Apache-2.0
/** The languages of the documents. */
import { chinese } from './zh/chinese.js';

export type Language = 'en' | 'zh';

/** A text of the sources in this language. */
export const inLanguage = (language: Language, text: string): string => (language === 'en' ? text : chinese(text));
