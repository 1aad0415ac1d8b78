package refcode

// The check symbols are a shortened Reed-Solomon code over GF(32) = GF(2)[x]/(x^5 + x^2 + 1) with
// generator a = x = 2. A word c_0 ... c_{n-1} is valid when both syndromes are zero:
//
//	s0 = sum(c_i)        s1 = sum(a^i * c_i)
//
// Its distance is 3: every one or two wrong symbols are found and every single one can be put right,
// because an error e in place j gives s0 = e and s1 = a^j * e, and a has order 31.

// gfExp holds the powers of a, twice over so that a sum of two logarithms needs no reduction.
// gfLog holds the logarithms; that of zero is unused.
var gfExp, gfLog = func() (exp [62]byte, log [32]byte) {
	v := byte(1)
	for i := range 31 {
		exp[i], exp[i+31] = v, v
		log[v] = byte(i)
		v <<= 1
		if v&32 != 0 {
			v ^= 0b100101
		}
	}
	return exp, log
}()

func gfMul(x, y byte) byte {
	if x == 0 || y == 0 {
		return 0
	}
	return gfExp[gfLog[x]+gfLog[y]]
}

// gfDiv returns x / y; y must not be zero.
func gfDiv(x, y byte) byte {
	if x == 0 {
		return 0
	}
	return gfExp[gfLog[x]+31-gfLog[y]]
}

// syndromes returns s0 and s1 of a word; both are zero for a valid one.
func syndromes(word []byte) (s0, s1 byte) {
	for i, v := range word {
		s0 ^= v
		s1 ^= gfMul(gfExp[i], v)
	}
	return s0, s1
}

// appendCheck appends the two symbols that bring both syndromes to zero.
func appendCheck(word []byte) []byte {
	s0, s1 := syndromes(word)
	p, q := gfExp[len(word)], gfExp[len(word)+1]
	last := gfDiv(s1^gfMul(p, s0), p^q)
	return append(word, s0^last, last)
}

// Correction is one way in which a misheard code may have been meant. It is offered, never applied
// by itself: about half of all double errors look like a single one, and the tag decides in the end.
type Correction struct {
	// Positions holds the place of the wrong symbol, or the two neighbouring places of swapped ones,
	// counted from 1.
	Positions []int
	// Heard and Meant are the symbols at those places, as they came and as they may have been meant.
	Heard, Meant string
	// Code is the code with the correction made.
	Code Code
}

// explain returns every single wrong symbol and every swap of neighbours that accounts for an
// invalid word; none when it takes more than that.
func explain(layout Layout, word []byte) []Correction {
	s0, s1 := syndromes(word)
	var found []Correction
	if s0 != 0 && s1 != 0 {
		if at := int(gfLog[gfDiv(s1, s0)]); at < len(word) {
			found = append(found, correct(layout, word, at, word[at]^s0))
		}
	}
	if s0 != 0 {
		return found
	}
	for i := range len(word) - 1 {
		// Swapping places i and i+1 changes s1 by (c_i + c_{i+1}) * a^i * (1 + a).
		if d := word[i] ^ word[i+1]; d != 0 && gfMul(d, gfMul(gfExp[i], gfExp[0]^gfExp[1])) == s1 {
			found = append(found, correct(layout, word, i, word[i+1], word[i]))
		}
	}
	return found
}

// correct returns the correction that puts the symbols meant into the word from place at on.
func correct(layout Layout, word []byte, at int, meant ...byte) Correction {
	c := Correction{}
	mended := append([]byte(nil), word...)
	for i, v := range meant {
		c.Positions = append(c.Positions, at+i+1)
		c.Heard += string(Alphabet[word[at+i]])
		c.Meant += string(Alphabet[v])
		mended[at+i] = v
	}
	c.Code = codeOf(layout, mended)
	return c
}
