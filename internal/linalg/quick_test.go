package linalg
import ("testing";"gonum.org/v1/gonum/mat";"math")
func TestQuick(t *testing.T){
 for _, d := range []int{1,2,5,33,64,100,300} {
  x,y:=features(1,3*d+2,d),features(2,2*d+2,d)
  s1,s2:=covariance(x,3*d+2,d,2),covariance(y,2*d+2,d,2)
  ev,err:=Eigenvalues(s1,d,2)
  if err!=nil {t.Fatal(err)}
  var e mat.EigenSym
  e.Factorize(mat.NewSymDense(d,s1),false)
  w:=e.Values(nil)
  m:=0.0
  for i:=range ev { m=max(m,math.Abs(ev[i]-w[i])) }
  tr,err:=TraceSqrtProduct(s1,s2,d,2)
  p:=make([]float64,d*d)
  Mul(p,s1,s2,d,2)
  ns,err2:=TraceSqrtNewtonSchulz(p,d,100,1e-12,2)
  t.Log(d,m/w[d-1],tr,err,ns,err2)
 }
}
