// Package refcode is what the server and every client agree on about a referral code: how it is
// laid out and written, how a misheard one is found and put right, and how it is issued blindly.
//
// A code is 16 symbols of Crockford base 32 (20 in the long layout), spoken in groups of four:
//
//	nonce (7 or 9 symbols) | tag (7 or 9 symbols) | check (2 symbols)
//
// The client draws the nonce and the server signs it without seeing it, by the partially oblivious
// PRF of RFC 9497 (ristretto255-SHA512, mode POPRF). The tag is the head of the PRF's output:
//
//	client                                          server (private key sk of the cohort)
//	------------------------------------------------------------------------------------
//	nonce = random
//	blinding, blinded = Blind(directory, pool)
//	                      blinded, year, pool
//	                   ------------------------->
//	                                                counts one issued
//	                                                evaluated, proof = Evaluate(sk, blinded, info)
//	                      evaluated, proof
//	                   <-------------------------
//	code = blinding.Finalize(evaluated, proof)
//
// where info names the year and the pool. Finalize checks the proof against the public key in the
// directory that the client has pinned, so the server cannot mark one caller's code with a key of
// its own. docs/protocol.md is the normative description; testdata/vectors.json holds vectors that
// other languages test against.
package refcode
