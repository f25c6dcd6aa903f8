import type en from '../en/claim';

export default {} satisfies typeof en;
