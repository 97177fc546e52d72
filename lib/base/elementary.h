/* Logarithms, exponentials and powers of exact numbers as doubles, the same on every machine (the C library picks its
 * variants by CPU).
 *
 * Arguments are exact ratios num / den with den > 0. Results are computed in integers to at least 150 bits and rounded once
 * to nearest,
 * ties to even: correctly, but for a chance of about 2^-90 a value. A call takes a few microseconds.
 *
 * Method: argument reduction and the series of artanh and exp (Brent and Zimmermann, Modern Computer Arithmetic, chapter 4). */
#ifndef STOOK_BASE_ELEMENTARY_H
#define STOOK_BASE_ELEMENTARY_H

#include <gmp.h>

enum log_base { LOG_E, LOG_2, LOG_10 };

double elementary_log(mpz_srcptr num, mpz_srcptr den, enum log_base base); /* num > 0 */
double elementary_exp(mpz_srcptr num, mpz_srcptr den);                     /* beyond the range: inf or 0 */
double elementary_pow(mpz_srcptr xnum, mpz_srcptr xden, mpz_srcptr ynum, mpz_srcptr yden); /* x > 0 */

#endif
